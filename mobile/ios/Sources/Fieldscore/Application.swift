import Foundation
internal import FieldscoreGenerated

/// One applicant's values, by field name, with their envelope.
///
/// ```swift
/// var application = Application(id: "A-0001", asOf: "2026-09-01")
/// application["income"] = 150
/// application["home"] = "owner"
/// ```
///
/// What is printed of it shows no value.
public struct Application: Sendable, Hashable {
    /// Your id of it, at most 1024 bytes; it goes into the record.
    public var id: String
    /// The day as of which it is scored, `YYYY-MM-DD`. The runtime has no clock.
    public var asOf: String
    /// Whether the applicant consents to a decision without a person; without, the outcome is refer.
    public var consentsToAutomation: Bool
    /// The values that are there; a field without one is missing.
    public var values: [String: FieldValue]

    /// An application without values.
    public init(
        id: String, asOf: String, consentsToAutomation: Bool = true, values: [String: FieldValue] = [:]
    ) {
        self.id = id
        self.asOf = asOf
        self.consentsToAutomation = consentsToAutomation
        self.values = values
    }

    /// The value of a field; `nil` for none.
    public subscript(field: String) -> FieldValue? {
        get { values[field] }
        set { values[field] = newValue }
    }

    /// The day that `date` falls on in `timeZone`, as ``asOf`` and date fields want it.
    public static func day(of date: Date, in timeZone: TimeZone) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = timeZone
        let parts = calendar.dateComponents([.year, .month, .day], from: date)
        return FieldRange.day(parts)
    }
}

/// One field's value. What is printed of it does not show it.
public enum FieldValue: Sendable, Hashable {
    /// A whole number; for money, whole major units.
    case integer(Int64)
    /// A number with no more decimals than the field has.
    case number(Double)
    /// An exact number with no more decimals than the field has.
    case decimal(Decimal)
    /// An amount of money in minor units.
    case minorUnits(Int64)
    /// True or false.
    case boolean(Bool)
    /// A category's code, or text, exactly as it is.
    case text(String)
    /// A value of any type in its text form, as a form or a file has it; empty for none.
    case written(String, mark: DecimalMark = .point)
    /// A tensor's bytes.
    case bytes(Data)
    /// A table's rows: each row's cells in their text form, in the order of the columns; empty for none.
    case rows([[String]], mark: DecimalMark = .point)

    /// What stands before a number's decimals in its text form.
    public enum DecimalMark: Sendable, Hashable {
        case point
        case comma
    }
}

extension FieldValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByStringLiteral
{
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    public init(stringLiteral value: String) { self = .written(value) }
}

extension Application: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "Application with \(values.count) values" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension FieldValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "FieldValue" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension FieldValue {
    var generated: FieldscoreGenerated.Value {
        switch self {
        case .integer(let value): return .integer(value: value)
        case .number(let value): return .number(value: value)
        case .decimal(let value):
            // The grammar's form, whatever the person's language: a point, no grouping.
            return .written(value: NSDecimalNumber(decimal: value).description(withLocale: nil), comma: false)
        case .minorUnits(let value): return .minor(value: value)
        case .boolean(let value): return .boolean(value: value)
        case .text(let value): return .text(value: value)
        case .written(let value, let mark): return .written(value: value, comma: mark == .comma)
        case .bytes(let value): return .bytes(value: value)
        case .rows(let rows, let mark): return .rows(rows: rows, comma: mark == .comma)
        }
    }
}
