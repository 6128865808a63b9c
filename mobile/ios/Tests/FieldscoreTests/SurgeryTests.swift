// Signing takes CryptoKit, which is on Apple's systems alone.
#if canImport(CryptoKit)
import CryptoKit
import Foundation
import XCTest

@testable import Fieldscore

/// Bundles that are signed and whole, and yet not to be used.
final class SurgeryTests: XCTestCase {
    private let key = Curve25519.Signing.PrivateKey()

    func testWhatIsSignedAgainOpens() throws {
        XCTAssertEqual(try Scorer(data: signed { _ in }, trusting: keys()).selfTest(), 16)
    }

    func testSignedNonsenseIsMalformed() throws {
        let bundle = try signed { bundle in
            let at = try section("PLCY", of: bundle).lowerBound
            bundle[at] = 0xff
        }
        XCTAssertEqual(code { _ = try Scorer(data: bundle, trusting: keys()) }, .malformed)
    }

    func testAnswersThatComeOutOtherwiseFailTheSelfTestAndAreNotInstalled() throws {
        let bundle = try signed { bundle in
            // The last layer's answer is scaled by the first of the sixteen factors that end the weights.
            let at = try section("WGTS", of: bundle).upperBound - 16 * 4
            let factor = Float(bitPattern: UInt32(number(at, bytes: 4, of: bundle)))
            let bits = (factor * 2).bitPattern
            for byte in 0..<4 {
                bundle[at + byte] = UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte))
            }
        }
        XCTAssertEqual(code { _ = try Scorer(data: bundle, trusting: keys()).selfTest() }, .selfTest)
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent(UUID().uuidString, isDirectory: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try BundleStore(folder: folder, product: "credit", trusting: keys())
        XCTAssertEqual(code { _ = try store.install(bundle) }, .selfTest)
        XCTAssertEqual(code { _ = try store.open() }, .empty)
    }

    private func keys() throws -> [PublicKey] { [try PublicKey(key.publicKey.rawRepresentation)] }

    /// The golden bundle with something changed, hashed and signed as if it were meant so
    /// (`docs/bundle-format.md`).
    private func signed(_ change: (inout Data) throws -> Void) throws -> Data {
        var bundle = try Golden.data()
        try change(&bundle)
        let id = Data(CryptoKit.SHA256.hash(data: key.publicKey.rawRepresentation)).prefix(8)
        bundle.replaceSubrange(40..<48, with: id)
        let table = entries(of: bundle)
        for entry in table {
            let hash = Data(CryptoKit.SHA256.hash(data: bundle[place(of: entry, in: bundle)]))
            bundle.replaceSubrange(entry + 32..<entry + 64, with: hash)
        }
        let end = 128 + table.count * 64
        let signature = try key.signature(for: bundle[..<end])
        bundle.replaceSubrange(end..<end + 64, with: signature)
        return bundle
    }

    /// Where the section table's entries start.
    private func entries(of bundle: Data) -> [Int] {
        (0..<number(12, bytes: 4, of: bundle)).map { 128 + $0 * 64 }
    }

    private func section(_ name: String, of bundle: Data) throws -> Range<Int> {
        let entry = entries(of: bundle).first { bundle[$0..<$0 + 4].elementsEqual(name.utf8) }
        return place(of: try XCTUnwrap(entry), in: bundle)
    }

    private func place(of entry: Int, in bundle: Data) -> Range<Int> {
        let offset = number(entry + 8, bytes: 8, of: bundle)
        return offset..<offset + number(entry + 16, bytes: 8, of: bundle)
    }

    /// Bytes as a number, the least significant first.
    private func number(_ at: Int, bytes: Int, of bundle: Data) -> Int {
        bundle[at..<at + bytes].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
#endif
