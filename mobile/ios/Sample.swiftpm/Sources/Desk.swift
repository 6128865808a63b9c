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
    /// Whether what was kept was read: until then, nothing is written over it.
    private var hasRead = false

    init() {
        attempt { try openStore() }
        readKept()
    }

    private func openStore() throws {
        #if DEBUG
        try Log.sendToSystem(from: .info, subsystem: "org.fieldscore.sample")
        #endif
        let store = try BundleStore(
            folder: Vault.folder("bundles"), product: "credit",
            trusting: [PublicKey(hexadecimal: Desk.key)])
        self.store = store
        do {
            let opened = try store.open()
            // A device that does not compute right gets nothing to decide with.
            try opened.selfTest()
            scorer = opened
        } catch let error as FieldscoreError where error.code == .empty {
            // The first start: a bundle is still to be chosen.
        }
    }

    /// Reads the draft and the saved applications, unless that was done: while the device is locked, it
    /// cannot be.
    func readKept() {
        guard !hasRead else { return }
        attempt {
            var isDamaged = false
            do {
                if let kept = try vault.read(Draft.name, as: Draft.self) { draft = kept }
            } catch Vault.Failure.damaged {
                isDamaged = true
            }
            var found: [Saved] = []
            for name in try vault.names() where name.hasPrefix(Saved.prefix) {
                do {
                    if let one = try vault.read(name, as: Saved.self) { found.append(one) }
                } catch Vault.Failure.damaged {
                    isDamaged = true
                }
            }
            saved = found.sorted { $0.decided < $1.decided }
            hasRead = true
            if isDamaged { throw Vault.Failure.damaged }
        }
    }

    /// Installs the bundle that was picked.
    func install(_ picked: Result<URL, any Error>) {
        attempt {
            let url = try picked.get()
            let scoped = url.startAccessingSecurityScopedResource()
            defer { if scoped { url.stopAccessingSecurityScopedResource() } }
            guard let store else { return }
            scorer = try store.install(Data(contentsOf: url))
            explanation = nil
        }
    }

    /// Scores the draft, with reasons in the form's language.
    func decide() {
        guard let scorer else { return }
        attempt {
            var application = Application(
                id: draft.id, asOf: Application.day(of: Date(), in: .current),
                consentsToAutomation: draft.consents)
            // A draft may be older than the bundle: what it has of other fields stays out.
            for field in scorer.info.fields {
                application[field.name] = .written(draft.values[field.name] ?? "", mark: Desk.mark)
            }
            explanation = try scorer.explain(application, language: language)
        }
    }

    /// Saves the decided application, encrypted, and starts the next one.
    func save() {
        guard let explanation else { return }
        attempt {
            let decision = explanation.decision
            let one = Saved(
                id: draft.id, decided: Date(), outcome: decision.outcome.words, record: decision.record)
            try vault.write(Saved.prefix + one.id, one)
            saved.append(one)
            draft = Draft()
            self.explanation = nil
            try vault.remove(Draft.name)
        }
    }

    /// Whether a saved record still gives the same bytes.
    func replays(_ application: Saved) -> Bool {
        (try? scorer?.replay(application.record)) ?? false
    }

    /// Keeps what was typed so far: the system may end the app without asking.
    func keepDraft() {
        guard hasRead else { return }
        attempt { try vault.write(Draft.name, draft) }
    }

    func edited() {
        explanation = nil
    }

    /// The form's language: the first of the person's that the bundle has texts in, else the bundle's own.
    var language: String {
        let offered = scorer?.info.languages ?? []
        let primaries = Set(offered.map { Desk.primary($0) })
        let wanted = Locale.preferredLanguages.first { primaries.contains(Desk.primary($0)) }
        return wanted ?? offered.first ?? "en"
    }

    /// Whether that is written from right to left.
    var isFromRightToLeft: Bool { (try? isRightToLeft(language)) ?? false }

    /// A text of the bundle, else `other`.
    func text(_ key: String, else other: String) -> String {
        (try? scorer?.text(key, language: language)) ?? other
    }

    static let mark: FieldValue.DecimalMark =
        Locale.current.decimalSeparator == "," ? .comma : .point

    nonisolated private static func primary(_ language: String) -> Substring {
        language.prefix { $0 != "-" }
    }

    private func attempt(_ work: () throws -> Void) {
        do {
            try work()
        } catch let error as FieldscoreError {
            if let field = error.field {
                show(text("field.\(field).label", else: field) + ": " + error.expected)
            } else {
                show(error.description)
            }
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
    /// Where the only one is kept.
    static let name = "draft"

    var id = UUID().uuidString
    var consents = true
    var values: [String: String] = [:]
}

/// An application that was decided: its record has everything.
struct Saved: Codable, Identifiable {
    /// What the names of their files start with.
    static let prefix = "saved-"

    let id: String
    let decided: Date
    let outcome: String
    let record: Data
}

extension Outcome {
    /// For the person who decides with it.
    var words: String {
        switch self {
        case .approve: return "Approved"
        case .refer: return "For a person to decide"
        case .decline: return "Declined"
        }
    }
}
