import Foundation
import XCTest

@testable import Fieldscore

/// The golden suite: the recorded digests, byte for byte, from one thread and from eight.
final class GoldenTests: XCTestCase {
    func testTheDigestIsSHA256() {
        XCTAssertEqual(
            SHA256.hexadecimal(Data("abc".utf8)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    func testDecisionsAreTheRecordedOnesInEitherForm() throws {
        let scorer = try Golden.scorer()
        for typed in [false, true] {
            let applications = try Golden.applications(scorer, typed: typed, first: 10_000)
            let digest = try Golden.decided(applications) { try scorer.score($0).record }
            XCTAssertEqual(digest, try Golden.recorded("plain 10000"), "typed: \(typed)")
        }
    }

    func testAlternativesAreTheRecordedOnes() throws {
        let scorer = try Golden.scorer()
        var lines = ""
        for application in try Golden.applications(scorer, typed: true, first: 100) {
            do {
                let found = try scorer.alternatives(application)
                lines += "\(application.id)\n"
                for one in found {
                    let changes = one.changes.map { "\($0.field)=\($0.value)" }.joined(separator: ",")
                    lines += "\(changes) \(one.outcome.rawValue) \(one.score) \(one.probabilityPPM)\n"
                }
            } catch let error as FieldscoreError {
                lines += "\(error.code.rawValue)\n"
            }
        }
        XCTAssertEqual(SHA256.hexadecimal(Data(lines.utf8)), try Golden.recorded("alternatives 100"))
    }

    func testRecordsAreScoredAgain() throws {
        let scorer = try Golden.scorer()
        let applications = try Golden.applications(scorer, typed: false, first: 100)
        let records = applications.compactMap { try? scorer.score($0).record }
        XCTAssertFalse(records.isEmpty)
        for record in records {
            let verified = try scorer.verifyRecord(record)
            XCTAssertEqual(verified.trace.first?.table, "score")
            XCTAssertEqual(verified.trace.first?.saw.first?.text, String(verified.decision.score))
            var forged = record
            forged[forged.count - 1] &+= 1
            XCTAssertEqual(code { _ = try scorer.verifyRecord(forged) }, .badRecord)
        }
    }

    func testRecordsKeepAlternatives() throws {
        let scorer = try Golden.scorer()
        for application in try Golden.applications(scorer, typed: false, first: 20) {
            guard let record = try? scorer.score(application).record else { continue }
            let shown = try scorer.recordAlternatives(record)
            XCTAssertGreaterThan(shown.count, record.count)
            XCTAssertTrue(try scorer.replay(shown))
            XCTAssertNil(try scorer.verifyRecord(shown).challenger)
        }
    }

    func testNoticesAreTheRecordedOnes() throws {
        let scorer = try Golden.scorer()
        let applications = try Golden.applications(scorer, typed: false, first: 100)
        let records = applications.compactMap { try? scorer.score($0).record }.prefix(12)
        for language in ["en", "zh"] {
            let notices = try records.map { try scorer.notice($0, language: language).text }
            XCTAssertEqual(
                notices.joined(separator: "\n---\n\n"), try Golden.text("notices.\(language).txt"))
        }
        XCTAssertEqual(try scorer.overrideReasons(), [])
        let made = Override(by: "T-17", outcome: .refer, reason: "O1", asOf: "2026-09-01")
        let record = try XCTUnwrap(records.first)
        XCTAssertEqual(
            code { _ = try scorer.overrideDecision(record, with: made) }, .badRecord)
        XCTAssertEqual(code { _ = try scorer.checkOverride(record, of: record) }, .badRecord)
    }

    func testBundlesOfEveryFamilyGiveTheRecordedDecisions() throws {
        var (decided, refused) = (0, 0)
        for family in try Golden.families() {
            let name = family.lastPathComponent
            let text = { (file: String) in
                try String(contentsOf: family.appendingPathComponent(file), encoding: .utf8)
            }
            let bundle = family.appendingPathComponent("\(name).fsb")
            // Nets of tensor steps, tables and several outputs are not in a phone's library: refused for what they are.
            if try Data(contentsOf: bundle)[16] & ~Golden.features != 0 {
                XCTAssertEqual(
                    code { _ = try Scorer(contentsOf: bundle, trusting: Golden.keys()) }, .unsupported, name)
                refused += 1
                continue
            }
            let scorer = try Scorer(contentsOf: bundle, trusting: Golden.keys())
            let csv = try text("applications.csv")
            for line in try text("digests.txt").split(separator: "\n") {
                let words = line.split(separator: " ")
                let count = try XCTUnwrap(Int(words[1]))
                var applications = try Golden.applications(of: csv, scorer, typed: false, first: count)
                XCTAssertEqual(applications.count, count)
                for (table, rows) in try Golden.tables(family) {
                    try Golden.addRows(of: rows, to: table, &applications, scorer)
                }
                let digest = try Golden.decided(applications) { application in
                    words[0] == "plain"
                        ? try scorer.score(application).record
                        : try scorer.explain(application, language: "en").decision.record
                }
                XCTAssertEqual(digest, String(words[2]), "\(name): \(words[0]) \(count)")
            }
            decided += 1
        }
        XCTAssertGreaterThan(decided, 5)
        XCTAssertEqual(refused == 0, Golden.features == 0b1111111)
    }

    func testManyAtOnceAreTheRecordedOnes() throws {
        let scorer = try Golden.scorer()
        let applications = try Golden.applications(scorer, typed: true, first: 10_000)
        var bytes = Data()
        for result in try scorer.scoreMany(applications) {
            switch result {
            case .success(let decision): bytes.append(decision.record)
            case .failure(let error): bytes.append(Data(error.code.rawValue.utf8))
            }
        }
        XCTAssertEqual(SHA256.hexadecimal(bytes), try Golden.recorded("plain 10000"))
    }

    func testExplanationsAreTheRecordedOnesAndAddUp() throws {
        let scorer = try Golden.scorer()
        let applications = try Golden.applications(scorer, typed: true, first: 1000)
        let digest = try Golden.decided(applications) { application in
            let explanation = try scorer.explain(application, language: "zh")
            let points = explanation.decision.score - explanation.referenceScore
            XCTAssertEqual(explanation.groups.reduce(0) { $0 + $1.points }, points)
            XCTAssertEqual(explanation.fields.reduce(0) { $0 + $1.points }, points)
            XCTAssertFalse(explanation.reasons.contains { $0.text.isEmpty })
            return explanation.decision.record
        }
        XCTAssertEqual(digest, try Golden.recorded("explained 1000"))
    }

    func testEightThreadsAtOnceDecideAsOne() throws {
        let scorer = try Golden.scorer()
        let applications = try Golden.applications(scorer, typed: true, first: 1000)
        let expected = try Golden.decided(applications) { try scorer.score($0).record }
        let digests = Digests()
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            digests.add(try? Golden.decided(applications) { try scorer.score($0).record })
        }
        XCTAssertEqual(digests.all, Array(repeating: expected, count: 8))
    }

    func testTheBundlePassesItsSelfTestAndSaysWhatItIs() throws {
        let scorer = try Golden.scorer()
        XCTAssertEqual(try scorer.selfTest(), 16)
        XCTAssertEqual(scorer.info.product, "credit")
        XCTAssertEqual(scorer.info.notAfter, "2036-12-31")
        XCTAssertEqual(scorer.info.languages, ["en", "zh"])
        let time = try XCTUnwrap(scorer.info.fields.first { $0.name == "time" })
        XCTAssertEqual(time.type, .integer)
        XCTAssertEqual(time.range, .numbers(6...72))
        XCTAssertEqual(time.outOfRange, .refuse)
        XCTAssertEqual(try scorer.text("field.income.label", language: "en-GB"), "Income")
        XCTAssertNil(try scorer.text("no.such.text", language: "en"))
        XCTAssertTrue(try isRightToLeft("ar"))
    }

    func testARecordReplaysAndADamagedOneIsRefused() throws {
        let scorer = try Golden.scorer()
        let application = try Golden.applications(scorer, typed: true, first: 1)[0]
        var record = try scorer.score(application).record
        XCTAssertTrue(try scorer.replay(record))
        XCTAssertEqual(code { _ = try scorer.replay(record.prefix(40)) }, .badRecord)
        let id = try XCTUnwrap(record.range(of: scorer.info.bundleID))
        record[id.lowerBound] ^= 1
        XCTAssertEqual(code { _ = try scorer.replay(record) }, .wrongBundle)
    }

    func testOnlyABundleWithAHistogramCounts() throws {
        let scorer = try Golden.scorer()
        let application = try Golden.applications(scorer, typed: true, first: 1)[0]
        let record = try scorer.score(application).record
        XCTAssertEqual(code { _ = try scorer.summarise([record]) }, .unsupported)
        XCTAssertEqual(code { _ = try scorer.shareSummary(Data([0x87])) }, .unsupported)
    }

    func testAHundredThousandDecisionsDoNotGrow() throws {
        let scorer = try Golden.scorer()
        let application = try Golden.applications(scorer, typed: true, first: 1)[0]
        let decide = { (count: Int) in
            for _ in 0..<count { _ = try scorer.score(application) }
        }
        try decide(10_000)
        let before = try Memory.resident()
        try decide(100_000)
        XCTAssertLessThan(try Memory.resident() - before, 4 << 20)
    }
}

/// Strings from many threads.
private final class Digests: @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [String?] = []

    func add(_ digest: String?) {
        lock.lock()
        kept.append(digest)
        lock.unlock()
    }

    var all: [String?] {
        lock.lock()
        defer { lock.unlock() }
        return kept
    }
}

/// How much memory this process holds.
private enum Memory {
    #if canImport(Darwin)
    static func resident() throws -> Int {
        var info = mach_task_basic_info()
        var count = mach_msg_type_number_t(
            MemoryLayout<mach_task_basic_info>.size / MemoryLayout<natural_t>.size)
        let status = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                task_info(mach_task_self_, task_flavor_t(MACH_TASK_BASIC_INFO), $0, &count)
            }
        }
        guard status == KERN_SUCCESS else { throw CocoaError(.fileReadUnknown) }
        return Int(info.resident_size)
    }
    #else
    static func resident() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ")
        return (Int(pages[1]) ?? 0) * 4096
    }
    #endif
}

/// The code of the error that `work` throws.
func code(_ work: () throws -> Void) -> FieldscoreError.Code? {
    do {
        try work()
        return nil
    } catch {
        return (error as? FieldscoreError)?.code
    }
}
