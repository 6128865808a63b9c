import Foundation
import XCTest

@testable import Fieldscore

/// Every error that the golden bundle can provoke, and that none of them shows a value.
final class ErrorTests: XCTestCase {
    private let secret = "S3CR3T-4711"

    func testBundlesThatMustNotBeOpened() throws {
        let bundle = try Golden.data()
        let keys = try Golden.keys()
        let open = { (data: Data, keys: [PublicKey]) in
            code { _ = try Scorer(data: data, trusting: keys) }
        }
        var altered = bundle
        altered[altered.count - 1] ^= 1
        var unsigned = bundle
        unsigned[150] ^= 1
        var newer = bundle
        newer[8] = 99
        XCTAssertNil(open(bundle, keys))
        XCTAssertEqual(open(Data(), keys), .notABundle)
        XCTAssertEqual(open(bundle.prefix(2000), keys), .notABundle)
        XCTAssertEqual(open(altered, keys), .altered)
        XCTAssertEqual(open(unsigned, keys), .badSignature)
        XCTAssertEqual(open(newer, keys), .unsupported)
        XCTAssertEqual(open(bundle, []), .wrongType)
        XCTAssertEqual(open(bundle, [try PublicKey(Data(repeating: 7, count: 32))]), .untrustedKey)
        XCTAssertEqual(code { _ = try PublicKey(Data(repeating: 7, count: 31)) }, .wrongType)
        XCTAssertEqual(code { _ = try PublicKey(hexadecimal: "f6b7") }, .wrongType)
        let nowhere = URL(fileURLWithPath: "/no/such/file")
        XCTAssertEqual(code { _ = try Scorer(contentsOf: nowhere, trusting: keys) }, .io)
    }

    func testApplicationsThatAreRefusedNameTheField() throws {
        let scorer = try Golden.scorer()
        let sound = try Golden.applications(scorer, typed: true, first: 1)[0]
        let cases: [(String, FieldValue?, FieldscoreError.Code)] = [
            ("income", .written(secret), .wrongType),
            ("income", .number(.nan), .wrongType),
            ("income", true, .wrongType),
            ("time", 5, .outOfRange),
            ("time", nil, .missing),
            ("records", .text(secret), .unknownCategory),
        ]
        for (name, value, expected) in cases {
            var application = sound
            application[name] = value
            do {
                _ = try scorer.score(application)
                XCTFail("\(name) was taken")
            } catch let error as FieldscoreError {
                XCTAssertEqual(error.code, expected)
                XCTAssertEqual(error.field, name)
                XCTAssertFalse("\(error) \(String(reflecting: error))".contains(secret))
            }
        }
        var unknown = sound
        unknown["imcome"] = 1
        XCTAssertEqual(code { _ = try scorer.score(unknown) }, .unknownField)
        var day = sound
        day.asOf = "1.9.2026"
        XCTAssertEqual(code { _ = try scorer.explain(day, language: "en") }, .wrongType)
    }

    func testOneOfManyIsRefusedAndTheOthersAreNot() throws {
        let scorer = try Golden.scorer()
        var many = try Golden.applications(scorer, typed: true, first: 4)
        let alone = try many.map { try scorer.score($0) }
        many[1]["imcome"] = 1
        many[2]["income"] = .written(secret)
        let results = try scorer.scoreMany(many)
        XCTAssertEqual(try results[0].get(), alone[0])
        XCTAssertEqual(code { _ = try results[1].get() }, .unknownField)
        XCTAssertEqual(code { _ = try results[2].get() }, .wrongType)
        XCTAssertEqual(try results[3].get(), alone[3])
    }

    func testNothingThatIsPrintedShowsAValue() throws {
        let scorer = try Golden.scorer()
        var application = try Golden.applications(scorer, typed: true, first: 1)[0]
        application.id = secret
        let value = FieldValue.text(secret)
        var shown = [String(describing: value), String(reflecting: value)]
        let explanation = try scorer.explain(application, language: "en")
        application["records"] = value
        shown += [String(describing: application), String(reflecting: application)]
        shown += [String(describing: explanation.decision), String(reflecting: explanation)]
        var dumped = ""
        dump(application, to: &dumped)
        dump(explanation, to: &dumped)
        for text in shown + [dumped] {
            XCTAssertFalse(text.contains(secret), text)
        }
    }

    func testAStoreRefusesInstallsAndFallsBack() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent(UUID().uuidString, isDirectory: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let keys = try Golden.keys()
        let store = try BundleStore(
            folder: folder.appendingPathComponent("credit"), product: "credit", trusting: keys)
        XCTAssertEqual(code { _ = try store.open() }, .empty)
        XCTAssertEqual(try store.install(try Golden.data()).info.sequence, 1)
        XCTAssertEqual(try store.open().selfTest(), 16)
        XCTAssertEqual(code { _ = try store.install(try Golden.data().prefix(2000)) }, .notABundle)
        XCTAssertEqual(try store.open().info.sequence, 1)
        let other = try BundleStore(
            folder: folder.appendingPathComponent("savings"), product: "savings", trusting: keys)
        XCTAssertEqual(code { _ = try other.install(try Golden.data()) }, .refused)
        // What is current already may come again.
        XCTAssertNil(code { _ = try store.install(try Golden.data()) })
    }

    func testTheLogReachesItsSink() throws {
        let lines = Lines()
        try Log.send(from: .info) { _, text in lines.add(text) }
        _ = try Golden.scorer()
        try Log.send(from: .info, to: nil)
        let kept = lines.all
        XCTAssertTrue(kept.contains { $0.hasPrefix("bundle opened") }, "\(kept)")
        _ = try Golden.scorer()
        XCTAssertEqual(lines.all, kept)
    }

    func testTypedValuesAndTextFormsAreTheSame() throws {
        let scorer = try Golden.scorer()
        var application = try Golden.applications(scorer, typed: true, first: 1)[0]
        let record = try scorer.score(application).record
        guard case .integer(let income) = application["income"] else { return XCTFail("no income") }
        application["income"] = .decimal(Decimal(income))
        XCTAssertEqual(try scorer.score(application).record, record)
        let day = Date(timeIntervalSince1970: 0)
        XCTAssertEqual(Application.day(of: day, in: TimeZone(secondsFromGMT: -60)!), "1969-12-31")
        XCTAssertEqual(FieldRange.day(Int64(20_697)), "2026-09-01")
        XCTAssertEqual(FieldRange.day(Int64(-62_091)), "1800-01-01")
        XCTAssertEqual(FieldRange.day(Int64(157_053)), "2399-12-31")
    }
}

private final class Lines: @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [String] = []

    func add(_ line: String) {
        lock.lock()
        kept.append(line)
        lock.unlock()
    }

    var all: [String] {
        lock.lock()
        defer { lock.unlock() }
        return kept
    }
}
