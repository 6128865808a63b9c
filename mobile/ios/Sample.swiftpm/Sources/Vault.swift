import CryptoKit
import Foundation
import Security

/// Files encrypted with a key that never leaves this device: AES-GCM, the key in the Keychain, nothing in
/// a backup.
struct Vault {
    enum Failure: Error {
        /// The Keychain gave another answer than a key.
        case keychain(OSStatus)
    }

    private static let account = "org.fieldscore.sample.applications"

    /// A folder of the app's own that backups leave out.
    static func folder(_ name: String) throws -> URL {
        var folder = try FileManager.default
            .url(for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            .appendingPathComponent(name, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try folder.setResourceValues(values)
        return folder
    }

    /// What was written under `name`, if anything was.
    func read<T: Decodable>(_ name: String, as type: T.Type) throws -> T? {
        let file = try Vault.folder("applications").appendingPathComponent(name)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let sealed = try AES.GCM.SealedBox(combined: Data(contentsOf: file))
        // The name is signed with it: one file cannot take another's place.
        let plain = try AES.GCM.open(sealed, using: key(), authenticating: Data(name.utf8))
        return try JSONDecoder().decode(type, from: plain)
    }

    /// Writes `value` under `name`, whole or not at all.
    func write(_ name: String, _ value: some Encodable) throws {
        let file = try Vault.folder("applications").appendingPathComponent(name)
        let plain = try JSONEncoder().encode(value)
        let sealed = try AES.GCM.seal(plain, using: key(), authenticating: Data(name.utf8))
        try sealed.combined?.write(to: file, options: [.atomic, .completeFileProtection])
    }

    /// The key, made at the first use. It can be read while the device is unlocked, and is in no backup.
    private func key() throws -> SymmetricKey {
        var query: [CFString: Any] = [
            kSecClass: kSecClassGenericPassword,
            kSecAttrAccount: Vault.account,
            kSecUseDataProtectionKeychain: true,
        ]
        var found: CFTypeRef?
        let asked = query.merging([kSecReturnData: true]) { $1 }
        let status = SecItemCopyMatching(asked as CFDictionary, &found)
        if status == errSecSuccess, let bytes = found as? Data {
            return SymmetricKey(data: bytes)
        }
        guard status == errSecItemNotFound else { throw Failure.keychain(status) }
        let key = SymmetricKey(size: .bits256)
        query[kSecValueData] = key.withUnsafeBytes { Data($0) }
        query[kSecAttrAccessible] = kSecAttrAccessibleWhenUnlockedThisDeviceOnly
        let added = SecItemAdd(query as CFDictionary, nil)
        guard added == errSecSuccess else { throw Failure.keychain(added) }
        return key
    }
}
