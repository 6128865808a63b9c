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
