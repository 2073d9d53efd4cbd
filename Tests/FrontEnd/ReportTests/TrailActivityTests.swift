import ACME
import AuditTrail
import StrictJSON
import Testing

@testable import Report

@Suite struct TrailActivityTests {
    private let now = SampleFacts.now

    private func record(
        _ kind: AuditRecord.Kind = .outcome, at time: Int64, _ operation: String = "sign-handshake", uid: UInt32? = 1000,
        result: String? = "signed", error: String? = nil
    ) -> AuditRecord {
        var record = AuditRecord(kind, time: time * 1_000)
        record.operation = operation
        record.uid = uid
        record.result = result
        record.error = error
        return record
    }

    @Test func signaturesFailuresAndRefusalsAreCounted() throws {
        var activity = TrailActivity()
        activity.add(record(.intent, at: now), hash: "a")
        activity.add(record(at: now), hash: "b")
        activity.add(record(at: now + 1, "new-order", result: "failed"), hash: "c")
        activity.add(record(.refusal, at: now + 2, "new-order", uid: 7, result: "refused", error: "no-grant"), hash: "d")
        // A key that was made: no signature.
        activity.add(record(at: now, "create-key", result: "done"), hash: "e")
        var left = record(.event, at: now, "refusals-left-out", uid: 7, result: nil)
        left.detail = "12 refusals of the user were not recorded one by one"
        activity.add(left, hash: "f")
        #expect(activity.records == 6 && activity.head?.hash == "f")
        #expect((activity.total.signed, activity.total.failed, activity.total.refused) == (1, 1, 1))
        #expect(activity.uncounted == 12)
        #expect(activity.byPurpose[.handshakes]?.signed == 1 && activity.byPurpose[.orders]?.failed == 1)
        #expect(activity.callers.map(\.uid) == [1000, 7])
        #expect(activity.refusals == [TrailActivity.RefusalKind(operation: "new-order", reason: "no-grant"): 1])
        #expect(activity.begins == now && activity.ends == now + 2)
    }

    /// Whatever a trail contains, the counts stay small, and nothing is lost from the totals.
    @Test func boundsHold() throws {
        var activity = TrailActivity()
        for number in 0..<UInt32(3_000) {
            var signed = record(at: now - Int64(number) * 86_400, uid: number)
            signed.key = try KeyName("key-\(number)")
            activity.add(signed, hash: "a")
            activity.add(record(.refusal, at: now, "op-\(number)", uid: number, error: "reason-\(number)"), hash: "b")
        }
        #expect(activity.total.signed == 3_000 && activity.total.refused == 3_000)
        #expect(activity.byDay.count == TrailActivity.days)
        #expect(activity.byDay.values.reduce(0) { $0 + $1.purposes.values.reduce(0, +) } + activity.before == 3_000)
        #expect(activity.byCaller.count == TrailActivity.callers && activity.byKey.count == TrailActivity.keys)
        #expect(activity.byCaller.values.reduce(0) { $0 + $1.signed } + activity.otherCallers.signed == 3_000)
        #expect(activity.byKey.values.reduce(0) { $0 + $1.signed } + activity.otherKeys.signed == 3_000)
        #expect(activity.refusals.values.reduce(0, +) + activity.otherRefusals == 3_000)
        #expect(activity.latestRefusals.count == TrailActivity.latest)
        #expect(activity.latestRefusals.last?.uid == 2_999)
        let facts = TrailFacts(source: .files(["audit.jsonl"]), activity: activity, fault: nil, gaps: [], users: [:])
        let page = try page(facts)
        #expect(page.contains("2,950 refusals of other kinds are not shown"))
        // Once for callers, once for keys.
        #expect(page.split(separator: "all others", omittingEmptySubsequences: false).count == 3)
        #expect(!page.contains("have signed less often"))
        #expect(page.contains("Other callers"))
        #expect(page.utf8.count < 200_000, "\(page.utf8.count)")
    }

    /// Users who are only refused take no place from those who sign.
    @Test func refusedCallersAreBoundedApart() {
        var activity = TrailActivity()
        for uid in 10_000..<UInt32(12_000) { activity.add(record(.refusal, at: now, uid: uid, error: "no-grant"), hash: "a") }
        #expect(activity.byCaller.count == TrailActivity.refusedCallers)
        #expect(activity.otherCallers.refused == 2_000 - UInt64(TrailActivity.refusedCallers))
        for uid in 0..<UInt32(400) { activity.add(record(at: now, uid: uid), hash: "b") }
        #expect((0..<UInt32(400)).allSatisfy { activity.byCaller[$0]?.signed == 1 } && activity.otherCallers.signed == 0)
        // Who signs after all is one of those.
        activity.add(record(at: now, uid: 10_000), hash: "c")
        activity.add(record(.refusal, at: now, uid: 11_999, error: "no-grant"), hash: "d")
        #expect(activity.byCaller[10_000]?.signed == 1 && activity.byCaller.count == TrailActivity.callers)
        var json = JSONWriter(reservingCapacity: 1_024)
        activity.write(to: &json)
        let text = String(decoding: json.bytes, as: UTF8.self)
        for member in ["otherCallers", "otherKeys", "otherRefusals", "before"] { #expect(text.contains("\"\(member)\":"), "\(member)") }
    }

    private func page(_ trail: TrailFacts) throws -> String {
        var facts = try SampleFacts.facts(certificates: 1)
        facts.trail = .known(trail)
        return String(decoding: ReportPage.html(facts), as: UTF8.self)
    }

    @Test func timesThatCannotBeAreNoTrap() throws {
        for time in [Int64.min, .max, 0, -1] {
            var activity = TrailActivity()
            activity.add(AuditRecord(.outcome, time: time), hash: "a")
            var signed = AuditRecord(.outcome, time: time)
            signed.operation = "finalize"
            signed.result = "signed"
            activity.add(signed, hash: "b")
            #expect(
                try page(TrailFacts(source: .agent(records: 1), activity: activity, fault: nil, gaps: [], users: [:])).contains("</html>"))
        }
    }

    @Test func fewDaysAreDaysAndManyAreWeeks() {
        func timeline(_ days: Int64) -> Timeline {
            var activity = TrailActivity()
            for day in 0..<days { activity.add(record(at: now - day * 86_400), hash: "a") }
            return Timeline(activity, now: now)
        }
        let short = timeline(10)
        #expect(!short.isByWeek && short.periods.count == 10 && short.before == 0)
        #expect(short.periods.last?.name == "2026-11-29" && short.periods.allSatisfy { $0.day.purposes == [.handshakes: 1] })
        let long = timeline(120)
        #expect(long.isByWeek && long.periods.last?.name == "2026-11-23" && long.before == 0)
        #expect(long.periods.reduce(0) { $0 + ($1.day.purposes[.handshakes] ?? 0) } == 120)
        let years = timeline(390)
        #expect(years.periods.count == 53)
        #expect(years.before + years.periods.reduce(0) { $0 + ($1.day.purposes[.handshakes] ?? 0) } == 390)
        // A clock that was ahead once.
        var activity = TrailActivity()
        activity.add(record(at: now + 900 * 86_400), hash: "a")
        activity.add(record(at: now), hash: "b")
        let ahead = Timeline(activity, now: now)
        #expect(ahead.periods.count == 1 && ahead.before == 1)
    }

    @Test func everyOperationThatSignsHasAPurpose() {
        let unsigned: Set<Operation> = [.createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .readAudit, .readMetrics]
        for operation in Operation.allCases {
            #expect((Purpose(operation: operation.rawValue) == nil) == unsigned.contains(operation), "\(operation)")
        }
        #expect(Purpose(operation: nil) == nil && Purpose(operation: "no-operation") == nil)
    }
}
