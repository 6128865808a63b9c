import CryptoKit
import Foundation
import Security

/// Files encrypted with a key that never leaves this device: AES-GCM, the key in the Keychain, nothing in
/// a backup.
struct Vault {
    enum Failure: LocalizedError {
        /// The Keychain gave another answer than a key.
        case keychain(OSStatus)
        /// A file was altered, or sealed with another key: nothing can be read of it any more.
        case damaged

        var errorDescription: String? {
            switch self {
            case .keychain(let status): return "The Keychain gives no key (\(status))."
            case .damaged: return "A saved file is damaged."
            }
        }
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

    /// The names of what was written.
    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Vault.folder("applications").path)
    }

    /// What was written under `name`, if anything was.
    func read<T: Decodable>(_ name: String, as type: T.Type) throws -> T? {
        let file = try place(name)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let bytes = try Data(contentsOf: file)
        let secret = try key()
        // The name is signed with it: one file cannot take another's place.
        guard let sealed = try? AES.GCM.SealedBox(combined: bytes),
            let plain = try? AES.GCM.open(sealed, using: secret, authenticating: Data(name.utf8)),
            let value = try? JSONDecoder().decode(type, from: plain)
        else { throw Failure.damaged }
        return value
    }

    /// Writes `value` under `name`, whole or not at all.
    func write(_ name: String, _ value: some Encodable) throws {
        let plain = try JSONEncoder().encode(value)
        let sealed = try AES.GCM.seal(plain, using: key(), authenticating: Data(name.utf8))
        guard let bytes = sealed.combined else { throw Failure.damaged }
        try bytes.write(to: place(name), options: [.atomic, .completeFileProtection])
    }

    /// Takes away what was written under `name`, if anything was.
    func remove(_ name: String) throws {
        let file = try place(name)
        if FileManager.default.fileExists(atPath: file.path) {
            try FileManager.default.removeItem(at: file)
        }
    }

    private func place(_ name: String) throws -> URL {
        try Vault.folder("applications").appendingPathComponent(name)
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
