import Foundation

@testable import Fieldscore

/// The golden suite's data, as every language reads it (`tests/golden/credit`).
enum Golden {
    static let folder: URL = {
        if let folder = ProcessInfo.processInfo.environment["FIELDSCORE_GOLDEN"] {
            return URL(fileURLWithPath: folder, isDirectory: true)
        }
        let package = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return package.appendingPathComponent("../../tests/golden/credit", isDirectory: true)
    }()

    static let bundle = folder.appendingPathComponent("credit.fsb")

    static func data() throws -> Data { try Data(contentsOf: bundle) }

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    static func keys() throws -> [PublicKey] {
        let digits = try text("key.txt").trimmingCharacters(in: .whitespacesAndNewlines)
        return [try PublicKey(hexadecimal: digits)]
    }

    static func scorer() throws -> Scorer { try Scorer(contentsOf: bundle, trusting: keys()) }

    /// The recorded digest of a mark, such as `plain 10000`.
    static func recorded(_ mark: String) throws -> String {
        let all = try text("digests.txt") + text("alternatives.txt")
        for line in all.split(separator: "\n") where line.hasPrefix(mark + " ") {
            return String(line.dropFirst(mark.count + 1))
        }
        throw CocoaError(.fileReadCorruptFile)
    }

    /// The folders of the golden bundles of other families of models.
    static func families() throws -> [URL] {
        let folder = folder.appendingPathComponent("../families", isDirectory: true)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return names.sorted().map { folder.appendingPathComponent($0, isDirectory: true) }
    }

    /// The suite's applications, their values as text or typed.
    static func applications(_ scorer: Scorer, typed: Bool, first count: Int) throws -> [Application] {
        try applications(of: text("applications.csv"), scorer, typed: typed, first: count)
    }

    /// The first applications of a CSV file's text.
    static func applications(
        of csv: String, _ scorer: Scorer, typed: Bool, first count: Int
    ) throws -> [Application] {
        let types = Dictionary(uniqueKeysWithValues: scorer.info.fields.map { ($0.name, $0.type) })
        let rows = csv.split(separator: "\n")
        let header = rows[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        return rows.dropFirst().prefix(count).map { row in
            let cells = row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            var application = Application(id: "", asOf: "")
            for (name, cell) in zip(header, cells) {
                switch name {
                case "id": application.id = cell
                case "as_of": application.asOf = cell
                default: application[name] = value(cell, types[name], typed: typed)
                }
            }
            return application
        }
    }

    /// Gives each application the rows of a table that have its id, from a CSV file's text.
    static func addRows(
        of csv: String, to table: String, _ applications: inout [Application], _ scorer: Scorer
    ) throws {
        guard let field = scorer.info.fields.first(where: { $0.name == table }),
            case .table(let columns, _) = field.type
        else { throw CocoaError(.fileReadCorruptFile) }
        let rows = csv.split(separator: "\n").map { row in
            row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let header = rows[0]
        let places = columns.compactMap { column in header.firstIndex(of: column.name) }
        guard let id = header.firstIndex(of: "id"), places.count == columns.count else {
            throw CocoaError(.fileReadCorruptFile)
        }
        for at in applications.indices {
            let own = rows.dropFirst().filter { $0[id] == applications[at].id }
            if !own.isEmpty {
                applications[at][table] = .rows(own.map { row in places.map { row[$0] } })
            }
        }
    }

    /// The tables of a family's applications: each CSV file besides theirs, by the name of its field.
    static func tables(_ family: URL) throws -> [String: String] {
        var tables: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: family.path)
        where name.hasSuffix(".csv") && name != "applications.csv" {
            let file = family.appendingPathComponent(name)
            tables[String(name.dropLast(4))] = try String(contentsOf: file, encoding: .utf8)
        }
        return tables
    }

    /// What the library decides with beyond chains of dense layers and scorecards, as feature bits: trees and policies' tables, or, of one
    /// built with `tensors`, everything.
    static let features: UInt8 =
        ProcessInfo.processInfo.environment["FIELDSCORE_TENSORS"] == "true" ? 0b1111111 : 0b1100101

    private static func value(_ cell: String, _ type: FieldType?, typed: Bool) -> FieldValue? {
        guard typed else { return .written(cell) }
        guard !cell.isEmpty else { return nil }
        switch type {
        case .integer: return Int64(cell).map { .integer($0) }
        case .decimal: return Double(cell).map { .number($0) }
        case .category, .text: return .text(cell)
        default: return .written(cell)
        }
    }

    /// What a digest is of: records, and errors by their code.
    static func decided(
        _ applications: [Application], _ decide: (Application) throws -> Data
    ) throws -> String {
        var bytes = Data()
        for application in applications {
            do {
                bytes.append(try decide(application))
            } catch let error as FieldscoreError {
                bytes.append(Data(error.code.rawValue.utf8))
            }
        }
        return SHA256.hexadecimal(bytes)
    }
}

/// FIPS 180-4, for the tests alone: CryptoKit is not on Linux.
enum SHA256 {
    static func hexadecimal(_ data: Data) -> String {
        var message = [UInt8](data)
        let bits = UInt64(message.count) * 8
        message.append(0x80)
        while message.count % 64 != 56 { message.append(0) }
        for shift in stride(from: 56, through: 0, by: -8) {
            message.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        var state = primes(8).map { fraction(Double($0).squareRoot()) }
        let constants = primes(64).map { fraction(cbrt(Double($0))) }
        var words = [UInt32](repeating: 0, count: 64)
        for block in stride(from: 0, to: message.count, by: 64) {
            for at in 0..<16 {
                let byte = block + 4 * at
                words[at] =
                    UInt32(message[byte]) << 24 | UInt32(message[byte + 1]) << 16
                    | UInt32(message[byte + 2]) << 8 | UInt32(message[byte + 3])
            }
            for at in 16..<64 {
                let (a, b) = (words[at - 15], words[at - 2])
                let low = turn(a, 7) ^ turn(a, 18) ^ (a >> 3)
                let high = turn(b, 17) ^ turn(b, 19) ^ (b >> 10)
                words[at] = words[at - 16] &+ low &+ words[at - 7] &+ high
            }
            var v = state
            for at in 0..<64 {
                let e = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)
                let choice = (v[4] & v[5]) ^ (~v[4] & v[6])
                let first = v[7] &+ e &+ choice &+ constants[at] &+ words[at]
                let a = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)
                let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])
                v = [first &+ a &+ majority, v[0], v[1], v[2], v[3] &+ first, v[4], v[5], v[6]]
            }
            for at in 0..<8 { state[at] = state[at] &+ v[at] }
        }
        return state.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }

    private static func turn(_ word: UInt32, _ by: UInt32) -> UInt32 { word >> by | word << (32 - by) }

    /// The first 32 bits behind the point.
    private static func fraction(_ root: Double) -> UInt32 {
        UInt32((root - root.rounded(.down)) * 4_294_967_296)
    }

    private static func primes(_ count: Int) -> [Int] {
        var found: [Int] = []
        var next = 2
        while found.count < count {
            if found.allSatisfy({ next % $0 != 0 }) { found.append(next) }
            next += 1
        }
        return found
    }
}
