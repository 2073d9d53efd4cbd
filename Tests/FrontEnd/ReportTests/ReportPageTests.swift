import AuditTrail
import Foundation
import Testing

@testable import Report

@Suite struct ReportPageTests {
    private func read(_ facts: ReportFacts) throws -> (DocumentReader, String) {
        let bytes = ReportPage.html(facts)
        return (try DocumentReader(bytes), String(decoding: bytes, as: UTF8.self))
    }

    @Test(arguments: [0, 1, 3, 300]) func thePageIsWellFormed(_ count: Int) throws {
        let (page, text) = try read(SampleFacts.facts(certificates: count))
        #expect(!page.structure.contains { $0.contains(" style") || $0.contains(" on") || $0.contains(" src") })
        // Every link leads to a heading's section on this page.
        let targets = page.values["a href"] ?? []
        #expect(targets.count == 8)
        for target in targets { #expect((page.values["section id"] ?? []).contains(String(target.dropFirst()))) }
        let identities = page.values.filter { $0.key.hasSuffix(" id") }.flatMap(\.value)
        #expect(Set(identities).count == identities.count)
        for label in page.values["section aria-labelledby"] ?? [] { #expect(identities.contains(label)) }
        // Headings in order: none is skipped.
        var level = 0
        for name in page.structure.map({ $0.prefix(2) }) where ["h1", "h2", "h3"].contains(name) {
            let next = Int(name.dropFirst()) ?? 0
            #expect(next <= level + 1)
            level = next
        }
        // Each table has a caption, and each header cell says what it is the header of.
        let names = page.structure.map { $0.split(separator: " ").first ?? "" }
        #expect(names.count { $0 == "table" } == names.count { $0 == "caption" })
        #expect(page.structure.filter { $0.hasPrefix("th") && !$0.hasPrefix("thead") }.allSatisfy { $0.contains("scope") })
        #expect(text.contains("<html lang=\"en\""))
    }

    @Test func aNameLikeMarkupStaysText() throws {
        let (page, text) = try read(SampleFacts.facts(certificates: 3))
        #expect(!text.contains("<script") && text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.texts["body"]?.contains(SampleFacts.markup) == true)
        #expect(!text.contains("\u{202E}") && text.contains("xn--<span class=\"unseen\">U+202E</span>gro.elpmaxe"))
    }

    @Test func whatIsUnknownSaysWhy() throws {
        var facts = try SampleFacts.facts(certificates: 1)
        facts.agent = .unknown("the agent's socket /run/<x> does not exist")
        facts.keys = .unknown("no keys")
        facts.certificates = .unknown("no store")
        facts.access = .unknown("no grants")
        facts.trail = .unknown("no grant lets you read the audit trail")
        let (page, text) = try read(facts)
        #expect(page.structure.count { $0 == "p class" } > 6)
        #expect(text.contains("/run/&lt;x&gt; does not exist"))
        for why in ["no keys", "no store", "no grants", "no grant lets you read the audit trail"] { #expect(text.contains(why), "\(why)") }
        #expect(page.values["p class"]?.count { $0 == "missing" } == 7)
    }

    @Test func figuresThatTheAgentDoesNotTellAreSaid() throws {
        var facts = try SampleFacts.facts(certificates: 1)
        #expect(try read(facts).1.contains("it has made"))
        var agent = try #require(facts.agent.value)
        agent.counts = .unknown("no grant lets you do \"read-metrics\"")
        facts.agent = .known(agent)
        let (page, text) = try read(facts)
        #expect(text.contains("Logins, waiting requests and times cannot be shown") && !text.contains("it has made"))
        #expect(page.values["p class"]?.count { $0 == "missing" } == 1)
    }

    @Test func aBrokenTrailIsSaid() throws {
        var facts = try SampleFacts.facts(certificates: 1)
        facts.trail = .known(
            TrailFacts(
                source: .files(["/var/lib/acme-agentd/audit/audit.jsonl"]), activity: try SampleFacts.activity(),
                fault: "record 7 does not follow record 6", gaps: ["record 3 is missing before record 4: a test"], users: [:]))
        let (_, text) = try read(facts)
        #expect(text.contains("record 7 does not follow record 6") && text.contains("broken, see above"))
        #expect(text.contains("record 3 is missing"))
    }

    /// What is counted of a trail that is longer than what the agent gives.
    @Test func thePageSaysWhichRecordsItCovers() throws {
        var activity = TrailActivity(), record = AuditRecord(.outcome, time: SampleFacts.now * 1_000)
        record.sequence = 41
        activity.add(record, hash: "a")
        var facts = try SampleFacts.facts(certificates: 1)
        for (source, reason) in [
            (TrailFacts.Source.agent(records: 250_000), "the agent gives at most 250,000, and --audit-file reads all."),
            (.files(["audit.jsonl"]), "older files of the trail are not there."),
        ] {
            facts.trail = .known(TrailFacts(source: source, activity: activity, fault: nil, gaps: [], users: [:]))
            let (_, text) = try read(facts)
            #expect(text.contains("From the last 1 record of the audit trail, from "))
            #expect(text.contains("41 earlier records are left out: \(reason)"), "\(reason)")
        }
    }

    @Test func aTrailWithAGapIsNotCalledWhole() throws {
        for source in [TrailFacts.Source.agent(records: 10_000), .files(["/var/lib/acme-agentd/audit/audit.jsonl"])] {
            var facts = try SampleFacts.facts(certificates: 1)
            facts.trail = .known(
                TrailFacts(
                    source: source, activity: try SampleFacts.activity(), fault: nil,
                    gaps: ["record 3 is missing before record 4: a test"], users: [:]))
            let (_, text) = try read(facts)
            #expect(text.contains("whole, except for the gaps below") && text.contains("record 3 is missing before record 4: a test"))
        }
    }

    /// Each certificate is counted once, wherever it expires.
    @Test(arguments: [50, 1_000]) func theCalendarHasEveryCertificate(_ count: Int) throws {
        var certificates = try #require(SampleFacts.facts(certificates: count).certificates.value).certificates
        certificates[0].notAfter = SampleFacts.now - 1
        var calendar = ExpiryCalendar(certificates, now: SampleFacts.now)
        #expect(calendar.isByWeek && calendar.expired == 1 && calendar.later == 0)
        #expect(calendar.periods.reduce(0) { $0 + $1.expiries } == UInt64(count - 1))
        certificates[1].notAfter = SampleFacts.now + 3_650 * 86_400
        certificates[2].notAfter = .max
        calendar = ExpiryCalendar(certificates, now: SampleFacts.now)
        #expect(!calendar.isByWeek && calendar.periods.count == 24 && calendar.later == 2)
        #expect(calendar.periods.first?.name == "2026-11" && calendar.periods.last?.name == "2028-10")
        #expect(calendar.periods.reduce(0) { $0 + $1.expiries } == UInt64(count - 3))
    }

    @Test func aThousandCertificatesAreAllListed() throws {
        let (page, text) = try read(SampleFacts.facts(certificates: 1_000))
        let bodies = page.texts["body"] ?? ""
        for number in [2, 500, 999] { #expect(bodies.contains("host-\(number).example.org")) }
        #expect(text.utf8.count < 3_000_000, "\(text.utf8.count)")
    }

    @Test func weeksBeginOnMonday() {
        // 1970-01-01 was a Thursday.
        #expect(Week(containing: 0).monday == -3)
        #expect(Phrase.day(Week(containing: SampleFacts.now).begins) == "2026-11-23")
        #expect(Phrase.day(Week(containing: SampleFacts.now + 86_400).begins) == "2026-11-30")
        #expect(Week(containing: -1) == Week(containing: 0))
    }

    @Test(
        arguments: [(0, 2), (1, 2), (3, 4), (5, 10), (11, 20), (39, 40), (41, 100), (1_000, 1_000), (1_001, 2_000)] as [(UInt64, UInt64)])
    func scalesEndAtRoundNumbers(_ largest: UInt64, _ end: UInt64) {
        #expect(Scale(to: largest).end == end)
        #expect(Scale(to: .max).end == .max)
    }

    @Test func figuresOfTheAgentAreRead() {
        let counts = AgentCounts(
            text: """
                # HELP acme_agent_signatures_total Signatures.
                acme_agent_signatures_total{key="a\\"b\\\\}",outcome="signed"} 3
                acme_agent_signatures_total{key="c",outcome="failed"} 1
                acme_agent_signatures_total{broken 1
                acme_agent_token_logins_total{token="hsm"} 2
                acme_agent_signature_seconds_sum{stage="all"} 0.5
                acme_agent_signature_seconds_count{stage="all"} 4
                """)
        #expect(counts.signed == 3 && counts.failed == 1 && counts.tokens["hsm"]?.logins == 2 && counts.milliseconds == 125)
        #expect(AgentCounts(text: "acme_agent_start_timestamp_seconds 1e400\n{\nx{a=\"").started == nil)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000")])
    func numbersAreGrouped(_ number: Int, _ text: String) { #expect(Phrase.number(number) == text) }

    @Test func distancesAreInWholeUnits() {
        let now = SampleFacts.now
        #expect(Phrase.distance(now + 86_400 * 43, from: now) == "in 43 days")
        #expect(Phrase.distance(now - 7_200, from: now) == "2 hours ago")
        #expect(Phrase.distance(now, from: now) == "in under an hour")
        #expect(Phrase.distance(.max, from: .min) == "far in the future" && Phrase.distance(.min, from: .max) == "long ago")
    }
}
