import Fieldscore
import Foundation

/// What the app knows: the installed bundle, the application that is being filled in, what was decided.
/// There is no network in it.
@MainActor
final class Desk: ObservableObject {
    @Published private(set) var scorer: Scorer?
    @Published private(set) var explanation: Explanation?
    @Published private(set) var saved: [Saved] = []
    @Published var draft = Draft()
    @Published var failed = false
    private(set) var fault = ""

    /// The lender's public key. This is the development key, which anybody can sign with.
    private static let key = "f6b7ea91277035bbea7a6932c3c7bf20d319633997a46b9d3be65ee7aef7397b"
    private let vault = Vault()
    private var store: BundleStore?

    init() {
        attempt {
            #if DEBUG
            try Log.sendToSystem(from: .info, subsystem: "org.fieldscore.sample")
            #endif
            let store = try BundleStore(
                folder: try Vault.folder("bundles"), product: "credit",
                trusting: [PublicKey(hexadecimal: Desk.key)])
            self.store = store
            do {
                scorer = try store.open()
                try scorer?.selfTest()
            } catch let error as FieldscoreError where error.code == .empty {
                // The first start: a bundle is still to be chosen.
            }
            draft = try vault.read("draft", as: Draft.self) ?? Draft()
            saved = try vault.read("saved", as: [Saved].self) ?? []
        }
    }

    /// Installs the bundle that was picked.
    func install(_ picked: Result<URL, any Error>) {
        attempt {
            let url = try picked.get()
            let scoped = url.startAccessingSecurityScopedResource()
            defer { if scoped { url.stopAccessingSecurityScopedResource() } }
            scorer = try store?.install(Data(contentsOf: url))
            explanation = nil
        }
    }

    /// Scores the draft, with reasons in the person's language.
    func decide() {
        guard let scorer else { return }
        attempt {
            var application = Application(
                id: draft.id, asOf: Application.day(of: Date(), in: .current),
                consentsToAutomation: draft.consents)
            for (name, text) in draft.values {
                application[name] = .written(text, mark: Desk.mark)
            }
            explanation = try scorer.explain(
                application, language: Locale.preferredLanguages.first ?? "en")
        }
    }

    /// Saves the decided application, encrypted, and starts the next one.
    func save() {
        guard let explanation else { return }
        attempt {
            let decision = explanation.decision
            saved.append(
                Saved(id: draft.id, outcome: decision.outcome.rawValue, record: decision.record))
            try vault.write("saved", saved)
            draft = Draft()
            self.explanation = nil
            try vault.write("draft", draft)
        }
    }

    /// Whether a saved record still gives the same bytes.
    func replays(_ application: Saved) -> Bool {
        (try? scorer?.replay(application.record)) ?? false
    }

    /// Keeps what was typed so far: the system may end the app without asking.
    func keepDraft() {
        attempt { try vault.write("draft", draft) }
    }

    func edited() {
        explanation = nil
    }

    /// A text of the bundle, else `other`.
    func text(_ key: String, else other: String) -> String {
        let language = Locale.preferredLanguages.first ?? "en"
        return (try? scorer?.text(key, language: language)) ?? other
    }

    static let mark: FieldValue.DecimalMark =
        Locale.current.decimalSeparator == "," ? .comma : .point

    private func attempt(_ work: () throws -> Void) {
        do {
            try work()
        } catch let error as FieldscoreError {
            show(error.field.map { "\($0): \(error.expected)" } ?? error.description)
        } catch {
            show(error.localizedDescription)
        }
    }

    private func show(_ text: String) {
        fault = text
        failed = true
    }
}

/// An application that is being filled in, as it was typed.
struct Draft: Codable {
    var id = UUID().uuidString
    var consents = true
    var values: [String: String] = [:]
}

/// An application that was decided: its record has everything.
struct Saved: Codable, Identifiable {
    let id: String
    let outcome: String
    let record: Data
}
