import FieldscoreGenerated
import Foundation
import XCTest

@testable import Fieldscore

/// Every kind of error that the runtime has becomes this package's, those too that no bundle here provokes.
final class KindTests: XCTestCase {
    // Both modules have the name.
    private typealias Theirs = FieldscoreGenerated.FieldscoreError
    private typealias Ours = Fieldscore.FieldscoreError

    func testEveryKindKeepsItsCodeItsPlaceAndWhatWasExpected() {
        let kinds: [(String, String, String) -> Theirs] = [
            Theirs.Io, Theirs.NotABundle, Theirs.Unsupported, Theirs.UntrustedKey, Theirs.BadSignature,
            Theirs.Altered, Theirs.Malformed, Theirs.SelfTest, Theirs.UnknownField, Theirs.WrongType,
            Theirs.OutOfRange, Theirs.Missing, Theirs.UnknownCategory, Theirs.WrongBundle,
            Theirs.NotFinite, Theirs.BadRecord, Theirs.Refused, Theirs.Empty, Theirs.Other,
        ]
        for kind in kinds {
            let error = thrown(kind("some.code", "field income", "a number"))
            XCTAssertEqual(error?.code.rawValue, "some.code")
            XCTAssertEqual(error?.place, "field income")
            XCTAssertEqual(error?.expected, "a number")
            XCTAssertEqual(error?.field, "income")
            XCTAssertEqual(error?.localizedDescription, "field income: a number [some.code]")
        }
    }

    func testACaughtPanicIsAFaultWithoutItsWords() {
        let words = "S3CR3T-4711"
        let error = thrown(CocoaError(.fileReadUnknown, userInfo: [NSLocalizedDescriptionKey: words]))
        XCTAssertEqual(error?.code, .fault)
        XCTAssertEqual(error?.code.rawValue, "internal")
        XCTAssertEqual(error?.description.contains(words), false)
    }

    /// What comes out of a call that throws `inner`.
    private func thrown(_ inner: any Error) -> Ours? {
        do {
            try Ours.of { () throws -> Void in throw inner }
            return nil
        } catch {
            return error as? Ours
        }
    }
}
