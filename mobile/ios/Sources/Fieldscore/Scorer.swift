import Foundation
internal import FieldscoreGenerated

/// An opened bundle: immutable, and usable from any thread at once.
///
/// ```swift
/// let key = try PublicKey(hexadecimal: "f6b7…397b")
/// let scorer = try Scorer(contentsOf: url, trusting: [key])
/// let explanation = try scorer.explain(application, language: "en")
/// ```
///
/// A decision takes microseconds: call it where you are. There is nothing to close: with the last
/// reference to it, the bundle's memory is freed.
public final class Scorer: Sendable {
    /// The bundle, its fields and groups.
    public let info: BundleInfo

    private let scorer: FieldscoreGenerated.Scorer
    private let indices: [String: UInt16]

    /// Opens a bundle from a file, which is read and closed.
    ///
    /// - Parameters:
    ///   - url: The bundle's file.
    ///   - keys: The lender's pinned public keys, at least one.
    /// - Throws: ``FieldscoreError`` with a code that starts with `bundle.`,
    ///   ``FieldscoreError/Code/io``, or ``FieldscoreError/Code/wrongType`` without keys.
    public convenience init(contentsOf url: URL, trusting keys: [PublicKey]) throws {
        try self.init(
            FieldscoreError.of {
                try FieldscoreGenerated.Scorer.openPath(path: url.path, keys: keys.map(\.bytes))
            })
    }

    /// Opens a bundle from its bytes: verifies it under one of the keys, and validates all of it.
    ///
    /// - Throws: ``FieldscoreError`` with a code that starts with `bundle.`, or
    ///   ``FieldscoreError/Code/wrongType`` without keys.
    public convenience init(data: Data, trusting keys: [PublicKey]) throws {
        try self.init(
            FieldscoreError.of {
                try FieldscoreGenerated.Scorer.open(bundle: data, keys: keys.map(\.bytes))
            })
    }

    init(_ scorer: FieldscoreGenerated.Scorer) throws {
        let info = BundleInfo(try FieldscoreError.of { try scorer.info() })
        var indices: [String: UInt16] = [:]
        for (index, field) in info.fields.enumerated() {
            indices[field.name] = UInt16(index)
        }
        self.scorer = scorer
        self.info = info
        self.indices = indices
    }

    /// Scores one application.
    ///
    /// - Throws: ``FieldscoreError`` whose ``FieldscoreError/field`` is at fault.
    public func score(_ application: Application) throws -> Decision {
        let given = try generated(application)
        return Decision(try FieldscoreError.of { try scorer.score(application: given) }, of: info)
    }

    /// Scores many applications; one that is refused keeps none of the others up.
    ///
    /// - Returns: For each application, in order, its decision or why it was refused.
    public func scoreMany(_ applications: [Application]) throws -> [Result<Decision, FieldscoreError>] {
        var results: [Result<Decision, FieldscoreError>?] = []
        var given: [FieldscoreGenerated.Application] = []
        for application in applications {
            do {
                given.append(try generated(application))
                results.append(nil)
            } catch let error as FieldscoreError {
                results.append(.failure(error))
            }
        }
        let scored = try FieldscoreError.of { try scorer.scoreMany(applications: given) }
        var next = scored.makeIterator()
        return results.map { result in
            if let result { return result }
            switch next.next() {
            case .decided(let decision)?:
                return .success(Decision(decision, of: info))
            case .refused(let code, let place, let expected)?:
                return .failure(
                    FieldscoreError(code: .init(rawValue: code), place: place, expected: expected))
            case nil:
                return .failure(
                    FieldscoreError(code: .fault, place: "runtime", expected: "an answer to each"))
            }
        }
    }

    /// Scores one application with contributions and reasons, their texts in the language that serves
    /// `language` (BCP 47) best.
    ///
    /// - Throws: As ``score(_:)``.
    public func explain(_ application: Application, language: String) throws -> Explanation {
        let given = try generated(application)
        let explanation = try FieldscoreError.of {
            try scorer.explain(application: given, language: language)
        }
        return Explanation(explanation, of: info)
    }

    /// What would change the decision on a declined or referred application: up to three alternatives,
    /// those with the fewest changes first. Each has been scored with its changes and reaches a better
    /// outcome. It takes a thousand scores or two: some milliseconds.
    ///
    /// - Throws: As ``score(_:)``.
    public func alternatives(_ application: Application) throws -> [Alternative] {
        let given = try generated(application)
        let found = try FieldscoreError.of { try scorer.alternatives(application: given) }
        return found.map { Alternative($0, of: info) }
    }

    /// A decision's record with ``alternatives(_:)`` in it too: what an applicant was shown, for whoever asks
    /// later.
    ///
    /// - Throws: As ``verifyRecord(_:)``.
    public func recordAlternatives(_ record: Data) throws -> Data {
        try FieldscoreError.of { try scorer.recordAlternatives(record: record) }
    }

    /// Runs the bundle's known answers on this device and says how many there are.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/selfTest`` where one comes out
    ///   differently: then don't decide with it on this device.
    @discardableResult
    public func selfTest() throws -> Int {
        Int(try FieldscoreError.of { try scorer.selfTest() })
    }

    /// A text of the bundle in the language that serves `language` (BCP 47) best.
    public func text(_ key: String, language: String) throws -> String? {
        try FieldscoreError.of { try scorer.text(key: key, language: language) }
    }

    /// Scores a record's application again and says whether the same bytes come out.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/badRecord``, or
    ///   ``FieldscoreError/Code/wrongBundle`` for another bundle's record.
    public func replay(_ record: Data) throws -> Bool {
        try FieldscoreError.of { try scorer.replay(record: record) }
    }

    /// Scores a record's application again, and gives the decision where the same record comes out, with the
    /// policy's terms and each rule that was tried.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/badRecord`` where it is no record or
    ///   another one comes out, or ``FieldscoreError/Code/wrongBundle``.
    public func verifyRecord(_ record: Data) throws -> VerifiedRecord {
        VerifiedRecord(try FieldscoreError.of { try scorer.verifyRecord(record: record) }, of: info)
    }

    /// Counts decisions, by their records, in a summary: what applications' values, scores and outcomes are, in bins,
    /// and nothing that names anybody. Keep it on the device for the next ones; ``shareSummary(_:)`` is what may be
    /// sent.
    ///
    /// - Parameter summary: the summary so far; without, a new one.
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/unsupported`` where the bundle has no histogram,
    ///   ``FieldscoreError/Code/wrongBundle``, ``FieldscoreError/Code/badRecord`` or
    ///   ``FieldscoreError/Code/badSummary``.
    public func summarise(_ records: [Data], into summary: Data? = nil) throws -> Data {
        try FieldscoreError.of { try scorer.summarise(summary: summary, records: records) }
    }

    /// A summary to send; start a new one after it.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/tooFew`` below 20 decisions, which would show what
    ///   each was like.
    public func shareSummary(_ summary: Data) throws -> Data {
        try FieldscoreError.of { try scorer.shareSummary(summary: summary) }
    }

    /// The notice of a decision on record, in the language that serves `language` (BCP 47) best. The
    /// record is scored again first.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/badRecord`` where it is no record or
    ///   another decision comes out, or ``FieldscoreError/Code/wrongBundle``.
    public func notice(_ record: Data, language: String) throws -> Notice {
        Notice(try FieldscoreError.of { try scorer.notice(record: record, language: language) })
    }

    /// The codes of the reasons for which staff may override a decision; `override.CODE` is the text of
    /// one. None where the bundle allows no override.
    public func overrideReasons() throws -> [String] {
        try FieldscoreError.of { try scorer.overrideReasons() }
    }

    /// A person's decision in the place of the one on record, to be kept beside it: the record stays.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/badRecord`` and what does not hold.
    public func overrideDecision(_ record: Data, with made: Override) throws -> Data {
        try FieldscoreError.of {
            try scorer.overrideDecision(
                record: record,
                made: FieldscoreGenerated.Override(
                    by: made.by, outcome: FieldscoreGenerated.Outcome(made.outcome),
                    reason: made.reason, asOf: made.asOf))
        }
    }

    /// Reads an override and holds it against its record.
    ///
    /// - Throws: ``FieldscoreError`` with ``FieldscoreError/Code/badRecord`` and what does not hold, or
    ///   ``FieldscoreError/Code/wrongBundle``.
    public func checkOverride(_ made: Data, of record: Data) throws -> Override {
        let found = try FieldscoreError.of {
            try scorer.checkOverride(record: record, bytes: made)
        }
        return Override(
            by: found.by, outcome: Outcome(found.outcome), reason: found.reason, asOf: found.asOf)
    }

    private func generated(_ application: Application) throws -> FieldscoreGenerated.Application {
        var entries: [FieldscoreGenerated.Entry] = []
        entries.reserveCapacity(application.values.count)
        // In a fixed order: of several faults, the same is reported every time.
        for (name, value) in application.values.sorted(by: { $0.key < $1.key }) {
            // The error of a name that is none says which is nearest.
            let index = try indices[name] ?? FieldscoreError.of { try scorer.field(name: name) }
            entries.append(FieldscoreGenerated.Entry(field: index, value: value.generated))
        }
        return FieldscoreGenerated.Application(
            id: application.id, asOf: application.asOf,
            automation: application.consentsToAutomation, values: entries)
    }
}

/// Whether a BCP-47 language is written from right to left.
public func isRightToLeft(_ language: String) throws -> Bool {
    try FieldscoreError.of { try FieldscoreGenerated.isRightToLeft(language: language) }
}
