import Foundation

/// A lender's public key, which signs bundles: pin it in the app's code.
public struct PublicKey: Sendable, Hashable {
    /// Ed25519, 32 bytes.
    public let bytes: Data

    /// A key of 32 bytes.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/wrongType`` for another length.
    public init(_ bytes: Data) throws {
        guard bytes.count == 32 else { throw PublicKey.wrong }
        self.bytes = bytes
    }

    /// A key of 64 hexadecimal digits, as `fieldscore key new` writes it.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/wrongType`` for anything else.
    public init(hexadecimal: String) throws {
        let digits = hexadecimal.compactMap(\.hexDigitValue)
        guard digits.count == 64, hexadecimal.count == 64 else { throw PublicKey.wrong }
        bytes = Data(stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
    }

    private static let wrong = FieldscoreError(
        code: .wrongType, place: "keys", expected: "a public key of 32 bytes, or 64 hexadecimal digits")
}
