import Foundation
internal import FieldscoreGenerated

/// The notice of a decision: what the applicant is told and takes home. None of the values that they
/// gave is in it.
public struct Notice: Sendable, Hashable {
    /// A line of it.
    public struct Fact: Sendable, Hashable {
        /// What it says something about.
        public let label: String
        /// What it says.
        public let value: String
    }

    /// The BCP 47 language that it is in: the bundle's that serves the one asked for best.
    public let language: String
    /// Whether that is written from right to left.
    public let isRightToLeft: Bool
    /// Its title.
    public let title: String
    /// The outcome in a sentence.
    public let statement: String
    /// The lender, the application's id, its date, the score where the recipe wants it, and what the
    /// decision stands on, in this order.
    public let facts: [Fact]
    /// The title of the reasons.
    public let reasonsTitle: String
    /// The reasons that led to the outcome, most important first; none where the application is approved.
    public let reasons: [String]
    /// The title of ``review``.
    public let reviewTitle: String
    /// How to have a person look at the decision.
    public let review: String
    /// All of it as plain text, the same bytes on every device.
    public let text: String

    init(_ notice: FieldscoreGenerated.Notice) {
        language = notice.language
        isRightToLeft = notice.rightToLeft
        title = notice.title
        statement = notice.statement
        facts = notice.facts.map { Fact(label: $0.label, value: $0.value) }
        reasonsTitle = notice.reasonsTitle
        reasons = notice.reasons
        reviewTitle = notice.reviewTitle
        review = notice.review
        text = notice.text
    }
}

/// A person's decision beside the one on record.
public struct Override: Sendable, Hashable {
    /// The id of who decided, 1 to 256 bytes.
    public let by: String
    /// What they decided.
    public let outcome: Outcome
    /// The code of one of the bundle's reasons; `override.CODE` is its text.
    public let reason: String
    /// The day on which they did, `YYYY-MM-DD`.
    public let asOf: String

    /// An override, to be made with ``Scorer/overrideDecision(_:with:)``.
    public init(by: String, outcome: Outcome, reason: String, asOf: String) {
        self.by = by
        self.outcome = outcome
        self.reason = reason
        self.asOf = asOf
    }
}

extension FieldscoreGenerated.Outcome {
    init(_ outcome: Outcome) {
        switch outcome {
        case .approve: self = .approve
        case .refer: self = .refer
        case .decline: self = .decline
        }
    }
}
