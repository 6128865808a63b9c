import Foundation
internal import FieldscoreGenerated

/// A bundle's own account of itself.
public struct BundleInfo: Sendable, Hashable {
    /// The product's stable name.
    public let product: String
    /// Rises with every release of the product.
    public let sequence: UInt64
    /// SHA-256 over header and section table: every record names it.
    public let bundleID: Data
    /// The first day on which it holds, `YYYY-MM-DD`.
    public let notBefore: String?
    /// The last day on which it holds, `YYYY-MM-DD`.
    public let notAfter: String?
    /// Whether staff may see the score of an application that they are still filling in.
    public let scoreAsTyped: Bool
    /// The BCP-47 languages of its texts; the first is the default.
    public let languages: [String]
    /// The kernels that execute it on this device.
    public let kernels: String
    /// What one explanation costs, in evaluations of the model.
    public let evaluations: Int
    /// The codes of the knock-out rules.
    public let rules: [String]
    /// The names of the probabilities beside that of default.
    public let others: [String]
    /// The groups of contributions.
    public let groups: [FieldGroup]
    /// The fields, in the order of forms.
    public let fields: [Field]
}

/// A group of fields that one contribution stands for.
public struct FieldGroup: Sendable, Hashable {
    /// Its stable code.
    public let code: String
    /// Its name: `group.NAME.label` is its text.
    public let name: String
}

/// One field of an application.
public struct Field: Sendable, Hashable, Identifiable {
    /// Its name: the key of its value, and `field.NAME.label` and `field.NAME.help` are its texts.
    public let name: String
    /// What its values are.
    public let type: FieldType
    /// Its unit; empty where it has none.
    public let unit: String
    /// The range in which a value is ordinary.
    public let range: FieldRange?
    /// What happens where there is no value.
    public let missing: Answer
    /// What happens to a value outside its range.
    public let outOfRange: Answer
    /// What happens to a category that is not listed.
    public let unlisted: Answer
    /// How sensitive it is.
    public let sensitivity: Sensitivity
    /// Whether the applicant could change it.
    public let changeable: Bool
    /// The stable code of the reason that it pulled the score down.
    public let reasonCode: String
    /// Its group, by index in ``BundleInfo/groups``.
    public let group: Int

    public var id: String { name }
}

/// What a field's values are.
public enum FieldType: Sendable, Hashable {
    /// A whole number.
    case integer
    /// A decimal number with at most so many decimals.
    case decimal(decimals: Int)
    /// An amount of money: its ISO 4217 code, and how many decimals its minor unit is.
    case money(currency: String, decimals: Int)
    /// True or false.
    case boolean
    /// One of a list: `field.NAME.category.CODE` is a code's text.
    case category(codes: [String])
    /// A day.
    case date
    /// Any text.
    case text
    /// Rows with these columns, of which the model reads so many.
    case table(columns: [TableColumn], maxRows: Int)
    /// Bytes of an exact shape, the last axis running fastest.
    case tensor(shape: [Int])
    /// Text, whose first words count.
    case words
}

/// One column of a table.
public struct TableColumn: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// The name of its type, as in a recipe.
    public let type: String
    /// Its unit; empty where it has none.
    public let unit: String
}

/// A range, both ends included.
public enum FieldRange: Sendable, Hashable {
    /// Of numbers, in the field's unit; of money, in major units.
    case numbers(ClosedRange<Decimal>)
    /// Of days, `YYYY-MM-DD`, which compare as text.
    case days(ClosedRange<String>)
}

/// What happens to a value that is missing, unlisted or out of range.
public enum Answer: String, Sendable, Hashable, CaseIterable {
    /// It is taken.
    case accept
    /// It is treated as missing.
    case asMissing
    /// It is moved to the nearer end of the range.
    case clip
    /// It is taken, and the outcome is refer at best.
    case refer
    /// Scoring fails with an error that names the field.
    case refuse
}

/// How sensitive a field is.
public enum Sensitivity: String, Sendable, Hashable, CaseIterable {
    /// About the loan, not the person.
    case ordinary
    /// Personal data.
    case personal
    /// A special category of personal data.
    case special
}

extension BundleInfo {
    init(_ info: FieldscoreGenerated.BundleInfo) {
        product = info.product
        sequence = info.sequence
        bundleID = info.bundleId
        notBefore = info.notBefore
        notAfter = info.notAfter
        scoreAsTyped = info.scoreAsTyped
        languages = info.languages
        kernels = info.kernels
        evaluations = Int(info.evaluations)
        rules = info.rules
        others = info.others
        groups = info.groups.map { FieldGroup(code: $0.code, name: $0.name) }
        fields = info.fields.map { Field($0) }
    }
}

extension Field {
    init(_ field: FieldscoreGenerated.FieldInfo) {
        name = field.name
        type = FieldType(field.kind)
        unit = field.unit
        range = field.range.map { FieldRange($0, of: field.kind) }
        missing = Answer(field.missing)
        outOfRange = Answer(field.outOfRange)
        unlisted = Answer(field.unlisted)
        sensitivity = Sensitivity(field.sensitivity)
        changeable = field.changeable
        reasonCode = field.reasonCode
        group = Int(field.group)
    }
}

extension FieldType {
    init(_ kind: FieldscoreGenerated.FieldKind) {
        switch kind {
        case .integer: self = .integer
        case .decimal(let decimals): self = .decimal(decimals: Int(decimals))
        case .money(let currency, let decimals):
            self = .money(currency: currency, decimals: Int(decimals))
        case .boolean: self = .boolean
        case .category(let codes): self = .category(codes: codes)
        case .date: self = .date
        case .text: self = .text
        case .table(let columns, let maxRows):
            let columns = columns.map { TableColumn(name: $0.name, type: $0.kind, unit: $0.unit) }
            self = .table(columns: columns, maxRows: Int(maxRows))
        case .tensor(let shape): self = .tensor(shape: shape.map { Int($0) })
        case .words: self = .words
        }
    }
}

extension FieldRange {
    init(_ range: FieldscoreGenerated.Range, of kind: FieldscoreGenerated.FieldKind) {
        var decimals = 0
        switch kind {
        case .date:
            // No day beyond these can be given. Within them, days compare as text.
            let known: ClosedRange<Int64> = -62_091...157_053
            let days = (range.low...range.high).clamped(to: known)
            self = .days(FieldRange.day(days.lowerBound)...FieldRange.day(days.upperBound))
            return
        case .decimal(let places): decimals = Int(places)
        case .money(_, let places): decimals = Int(places)
        default: break
        }
        let number = { (units: Int64) in
            Decimal(
                sign: units < 0 ? .minus : .plus, exponent: -decimals,
                significand: Decimal(units.magnitude))
        }
        self = .numbers(number(range.low)...number(range.high))
    }

    /// Days since 1970-01-01 as `YYYY-MM-DD`, between 1800 and 2399.
    static func day(_ days: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? calendar.timeZone
        let date = Date(timeIntervalSince1970: TimeInterval(days) * 86_400)
        return day(calendar.dateComponents([.year, .month, .day], from: date))
    }

    static func day(_ parts: DateComponents) -> String {
        let digits = { (number: Int?, count: Int) in
            let text = String(number ?? 0)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return "\(digits(parts.year, 4))-\(digits(parts.month, 2))-\(digits(parts.day, 2))"
    }
}

extension Answer {
    init(_ answer: FieldscoreGenerated.Answer) {
        switch answer {
        case .accept: self = .accept
        case .asMissing: self = .asMissing
        case .clip: self = .clip
        case .refer: self = .refer
        case .refuse: self = .refuse
        }
    }
}

extension Sensitivity {
    init(_ sensitivity: FieldscoreGenerated.Sensitivity) {
        switch sensitivity {
        case .ordinary: self = .ordinary
        case .personal: self = .personal
        case .special: self = .special
        }
    }
}
