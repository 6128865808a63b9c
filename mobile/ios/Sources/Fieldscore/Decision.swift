import Foundation
internal import FieldscoreGenerated

/// What is decided.
public enum Outcome: String, Sendable, Hashable, CaseIterable {
    /// The loan may be granted.
    case approve
    /// A person decides.
    case refer
    /// The loan is not granted.
    case decline
}

/// What a decision says about how it came about.
public enum Flag: String, Sendable, Hashable, CaseIterable {
    /// A field had no value.
    case missing
    /// A field's value was outside its range.
    case outOfRange
    /// A field's category was not in its list.
    case unlisted
    /// The day is after the bundle's last.
    case expired
    /// The day is before the bundle's first.
    case notYetValid
    /// The applicant does not consent to an automated decision.
    case automationRefused
    /// The score was raised to the scale's floor or lowered to its ceiling.
    case scoreClamped
    /// A table or a text has more rows or words than the model reads.
    case truncated
}

/// What comes out of scoring one application. What is printed of it leaves the record out, which holds
/// the applicant's values.
public struct Decision: Sendable, Hashable {
    /// The score in points on the bundle's scale.
    public let score: Int
    /// The probability of default in parts per million, 100 to 999 900.
    public let probabilityPPM: Int
    /// What the policy says.
    public let outcome: Outcome
    /// How it came about.
    public let flags: Set<Flag>
    /// The names of fields without a value.
    public let missing: [String]
    /// The names of fields whose value was outside their range.
    public let outOfRange: [String]
    /// The names of fields whose category was not in their list.
    public let unlisted: [String]
    /// The names of fields whose policy referred the application.
    public let referred: [String]
    /// The codes of the knock-out rules that fired.
    public let rules: [String]
    /// The bundle's further probabilities by name, in parts per million, 100 to 999 900.
    public let others: [String: Int]
    /// The canonical record: what is stored, encrypted, and what ``Scorer/replay(_:)`` scores again.
    public let record: Data
}

/// A decision with contributions and reasons.
public struct Explanation: Sendable, Hashable {
    /// The decision, the same as scoring gives but for its record, which has the explanation too.
    public let decision: Decision
    /// The reference applicant's score.
    public let referenceScore: Int
    /// Points for each group, by its code: they sum to score minus reference score.
    public let groups: [Contribution]
    /// Points for each field, by its name: a group's fields sum to the group.
    public let fields: [Contribution]
    /// The reasons, most important first.
    public let reasons: [Reason]
}

/// Points that a group or a field moved the score by.
public struct Contribution: Sendable, Hashable {
    /// The group's code, or the field's name.
    public let name: String
    /// Points, up or down.
    public let points: Int
}

/// Why the score is not higher, or why a person must decide.
public struct Reason: Sendable, Hashable {
    /// Its stable code.
    public let code: String
    /// The name of the field that it is about, where it is about one.
    public let field: String?
    /// Its text in the language that was asked for.
    public let text: String
}

/// What leads to a better outcome.
public struct Alternative: Sendable, Hashable {
    /// The changes, one to three, in the order of the fields.
    public let changes: [Change]
    /// The outcome with them.
    public let outcome: Outcome
    /// The score with them, in points on the bundle's scale.
    public let score: Int
    /// The probability of default with them, in parts per million.
    public let probabilityPPM: Int
}

/// A field's new value.
public struct Change: Sendable, Hashable {
    /// The field's name.
    public let field: String
    /// Its value in its text form, as ``FieldValue/written(_:)`` takes it.
    public let value: String
}

extension Decision: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "\(outcome.rawValue), \(score) points" }
    public var debugDescription: String { description }
    public var customMirror: Mirror {
        Mirror(self, children: ["score": score, "outcome": outcome.rawValue])
    }
}

extension Outcome {
    init(_ outcome: FieldscoreGenerated.Outcome) {
        switch outcome {
        case .approve: self = .approve
        case .refer: self = .refer
        case .decline: self = .decline
        }
    }
}

extension Flag {
    init(_ flag: FieldscoreGenerated.Flag) {
        switch flag {
        case .missing: self = .missing
        case .outOfRange: self = .outOfRange
        case .unlisted: self = .unlisted
        case .expired: self = .expired
        case .notYetValid: self = .notYetValid
        case .automationRefused: self = .automationRefused
        case .scoreClamped: self = .scoreClamped
        case .truncated: self = .truncated
        }
    }
}

extension Decision {
    init(_ decision: FieldscoreGenerated.Decision, of info: BundleInfo) {
        let names = { (indices: [UInt16]) in indices.map { info.fields[Int($0)].name } }
        score = Int(decision.score)
        probabilityPPM = Int(decision.probabilityPpm)
        outcome = Outcome(decision.outcome)
        flags = Set(decision.flags.map { Flag($0) })
        missing = names(decision.missing)
        outOfRange = names(decision.outOfRange)
        unlisted = names(decision.unlisted)
        referred = names(decision.referred)
        rules = decision.rules.map { info.rules[Int($0)] }
        others = Dictionary(uniqueKeysWithValues: zip(info.others, decision.others.map(Int.init)))
        record = decision.record
    }
}

extension Explanation {
    init(_ explanation: FieldscoreGenerated.Explanation, of info: BundleInfo) {
        decision = Decision(explanation.decision, of: info)
        referenceScore = Int(explanation.referenceScore)
        groups = zip(info.groups, explanation.groups).map {
            Contribution(name: $0.code, points: Int($1))
        }
        fields = zip(info.fields, explanation.fields).map {
            Contribution(name: $0.name, points: Int($1))
        }
        reasons = explanation.reasons.map { reason in
            Reason(
                code: reason.code, field: reason.field.map { info.fields[Int($0)].name },
                text: reason.text)
        }
    }
}

extension Alternative {
    init(_ alternative: FieldscoreGenerated.Alternative, of info: BundleInfo) {
        changes = alternative.changes.map {
            Change(field: info.fields[Int($0.field)].name, value: $0.value)
        }
        outcome = Outcome(alternative.outcome)
        score = Int(alternative.score)
        probabilityPPM = Int(alternative.probabilityPpm)
    }
}

extension Alternative: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "\(outcome.rawValue), \(score) points" }
    public var debugDescription: String { description }
    public var customMirror: Mirror {
        Mirror(self, children: ["score": score, "outcome": outcome.rawValue])
    }
}

extension Change: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { field }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["field": field]) }
}
