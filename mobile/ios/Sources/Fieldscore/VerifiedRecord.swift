import Foundation
internal import FieldscoreGenerated

/// A record that was scored again and came out the same.
public struct VerifiedRecord: Sendable {
    /// An amount or a tier that comes out with a decision.
    public struct Term: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// A number with a decimal point, or a word; `nil` where there is none.
        public let text: String?
        /// The unit that is shown beside it; may be empty.
        public let unit: String
    }

    /// A name and what it was, as text.
    public struct Seen: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// What it was; `nil` where there was no value.
        public let text: String?

        init(_ seen: FieldscoreGenerated.Seen) {
            (name, text) = (seen.name, seen.text)
        }
    }

    /// A rule that was tried.
    public struct Tried: Sendable, Hashable {
        /// What it belongs to: `score`, `flags`, `fields`, `knock_out`, or a table of the policy.
        public let table: String
        /// Its code, or its number in its table, from 1.
        public let rule: String
        /// What it looked at.
        public let saw: [Seen]
        /// Whether it held.
        public let held: Bool
        /// What it said; nothing where it did not hold.
        public let said: [Seen]
    }

    /// What a challenger, a second bundle that is scored in shadow, says of an application.
    public struct Shadow: Sendable, Hashable {
        /// What its policy says.
        public let outcome: Outcome
        /// The score on its scale.
        public let score: Int
        /// The probability of default in parts per million.
        public let probabilityPPM: Int

        init(_ shadow: FieldscoreGenerated.Shadow) {
            outcome = Outcome(shadow.outcome)
            (score, probabilityPPM) = (Int(shadow.score), Int(shadow.probabilityPpm))
        }
    }

    /// The application's id.
    public let id: String
    /// The day as of which it was scored, `YYYY-MM-DD`.
    public let asOf: String
    /// The decision.
    public let decision: Decision
    /// The amounts and tiers that the policy gives with it.
    public let terms: [Term]
    /// Each rule of the policy that was tried, in order.
    public let trace: [Tried]
    /// What the bundle's challenger said, where it has one and that scored the application. It is no part of
    /// the decision.
    public let challenger: Shadow?

    init(_ record: FieldscoreGenerated.VerifiedRecord, of info: BundleInfo) {
        id = record.id
        asOf = record.asOf
        decision = Decision(record.decision, of: info)
        challenger = record.challenger.map(Shadow.init)
        terms = record.terms.map { Term(name: $0.name, text: $0.text, unit: $0.unit) }
        trace = record.trace.map {
            Tried(
                table: $0.table, rule: $0.rule, saw: $0.saw.map(Seen.init), held: $0.held,
                said: $0.said.map(Seen.init))
        }
    }
}
