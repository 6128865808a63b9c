import Foundation
internal import FieldscoreGenerated

/// What every failing call throws. It never holds an applicant's value: it may be logged and shown.
public struct FieldscoreError: Error, Sendable, Hashable {
    /// What kind of error it is.
    public let code: Code
    /// The section, field, file or argument at fault.
    public let place: String
    /// What was expected there.
    public let expected: String

    /// The name of the field at fault, where it is one.
    public var field: String? {
        let mark = "field "
        return place.hasPrefix(mark) ? String(place.dropFirst(mark.count)) : nil
    }

    /// A stable code, the same in every language. More may come: a `switch` needs a `default`.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        public var description: String { rawValue }

        /// The file could not be read or written.
        public static let io = Code(rawValue: "io")
        /// The bytes are not a bundle at all, or end too early.
        public static let notABundle = Code(rawValue: "bundle.not_a_bundle")
        /// The bundle needs a newer version of this package.
        public static let unsupported = Code(rawValue: "bundle.unsupported")
        /// No pinned key matches the bundle's.
        public static let untrustedKey = Code(rawValue: "bundle.untrusted_key")
        /// The signature does not verify.
        public static let badSignature = Code(rawValue: "bundle.signature")
        /// A section was altered.
        public static let altered = Code(rawValue: "bundle.altered")
        /// The bundle is signed and whole, but what it says is not valid.
        public static let malformed = Code(rawValue: "bundle.malformed")
        /// A known answer came out differently on this device.
        public static let selfTest = Code(rawValue: "bundle.self_test")
        /// The schema has no such field.
        public static let unknownField = Code(rawValue: "field.unknown")
        /// The value is not of the field's type, or an argument is not what it must be.
        public static let wrongType = Code(rawValue: "field.type")
        /// The value lies outside the field's range and the field refuses that.
        public static let outOfRange = Code(rawValue: "field.range")
        /// The field has no value and refuses that.
        public static let missing = Code(rawValue: "field.missing")
        /// The category is not one of the field's, and the field refuses that.
        public static let unknownCategory = Code(rawValue: "field.category")
        /// The record was made for another bundle.
        public static let wrongBundle = Code(rawValue: "application.bundle")
        /// The model produced something that is not a finite number.
        public static let notFinite = Code(rawValue: "model.not_finite")
        /// A record cannot be decoded.
        public static let badRecord = Code(rawValue: "record.malformed")
        /// The store refuses an update: another product, or not a higher sequence number.
        public static let refused = Code(rawValue: "store.refused")
        /// The store holds no bundle that opens.
        public static let empty = Code(rawValue: "store.empty")
        /// A summary cannot be decoded.
        public static let badSummary = Code(rawValue: "summary.malformed")
        /// A summary counts too few decisions to leave the device.
        public static let tooFew = Code(rawValue: "summary.too_few")
        /// A fault of the runtime itself, which was caught before it reached the app.
        public static let fault = Code(rawValue: "internal")
    }

    init(code: Code, place: String, expected: String) {
        self.code = code
        self.place = place
        self.expected = expected
    }
}

extension FieldscoreError: LocalizedError, CustomStringConvertible {
    public var description: String { "\(place): \(expected) [\(code)]" }
    public var errorDescription: String? { description }
}

extension FieldscoreError {
    /// Runs a call of the runtime; what it throws becomes this package's error.
    static func of<T>(_ call: () throws -> T) throws -> T {
        do {
            return try call()
        } catch let error as FieldscoreGenerated.FieldscoreError {
            throw FieldscoreError(error)
        } catch let error as FieldscoreError {
            throw error
        } catch {
            // Its words are of the runtime's inside, and might say anything.
            throw FieldscoreError(code: .fault, place: "runtime", expected: "to end without a panic")
        }
    }

    private init(_ error: FieldscoreGenerated.FieldscoreError) {
        switch error {
        case let .Io(code, place, expected),
            let .NotABundle(code, place, expected),
            let .Unsupported(code, place, expected),
            let .UntrustedKey(code, place, expected),
            let .BadSignature(code, place, expected),
            let .Altered(code, place, expected),
            let .Malformed(code, place, expected),
            let .SelfTest(code, place, expected),
            let .UnknownField(code, place, expected),
            let .WrongType(code, place, expected),
            let .OutOfRange(code, place, expected),
            let .Missing(code, place, expected),
            let .UnknownCategory(code, place, expected),
            let .WrongBundle(code, place, expected),
            let .NotFinite(code, place, expected),
            let .BadRecord(code, place, expected),
            let .Refused(code, place, expected),
            let .Empty(code, place, expected),
            let .BadSummary(code, place, expected),
            let .TooFew(code, place, expected),
            let .Other(code, place, expected):
            self.init(code: Code(rawValue: code), place: place, expected: expected)
        }
    }
}
