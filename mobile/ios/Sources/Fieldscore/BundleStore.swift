import Foundation
internal import FieldscoreGenerated

/// Keeps one product's bundle up to date in a folder of the app's own: installs only bundles that a
/// pinned key signed, of that product, with a higher sequence number, in one step that no interruption
/// can halve; keeps the one before.
///
/// ```swift
/// let store = try BundleStore(folder: folder, product: "credit", trusting: [key])
/// let scorer = try store.install(downloaded)
/// ```
public final class BundleStore: Sendable {
    private let store: FieldscoreGenerated.BundleStore

    /// A store in `folder`, which is made where there is none. Application Support is the place: it is
    /// not purged.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/io``.
    public init(folder: URL, product: String, trusting keys: [PublicKey]) throws {
        store = try FieldscoreError.of {
            try FieldscoreGenerated.BundleStore(
                folder: folder.path, product: product, keys: keys.map(\.bytes))
        }
    }

    /// Installs an update and opens it. The self-test runs first: a bundle that decides otherwise on
    /// this device is not installed.
    ///
    /// - Throws: ``FieldscoreError``: as opening, or ``FieldscoreError/Code/refused`` for another
    ///   product or a sequence number that is not higher. What was installed stays.
    public func install(_ bundle: Data) throws -> Scorer {
        try Scorer(FieldscoreError.of { try store.install(bundle: bundle) })
    }

    /// Opens the current bundle, or the last one before it that opens.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/empty`` where there is none.
    public func open() throws -> Scorer {
        try Scorer(FieldscoreError.of { try store.open() })
    }
}
