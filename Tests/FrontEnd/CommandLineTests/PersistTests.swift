import ACME
import Issuance
import Testing

@testable import acme_agent

/// The records of dns-persist-01 on the command line.
@Suite struct PersistTests {
    @Test func aRecordThatIsMissingOrEndsSoonNeedsAttention() throws {
        let name = try DNSName("example.org"), wildcard = try DNSName("*.example.org"), now: Int64 = 1_800_000_000
        #expect(PersistAttention.line(name, .never, now: now) == nil)
        #expect(PersistAttention.line(name, .at(now + 31 * 86_400), now: now) == nil)
        let missing = PersistAttention.line(wildcard, .missing, now: now)
        #expect(
            missing == "*.example.org: the record _validation-persist.example.org for your account is missing "
                + "(`acme-agent persist example.org --wildcard` prints it)")
        let soon = PersistAttention.line(name, .at(now + 5 * 86_400), now: now)
        #expect(soon?.contains("_validation-persist.example.org ends ") == true, "\(soon ?? "")")
        #expect(PersistAttention.line(name, .at(now - 1), now: now)?.contains(" has ended (") == true)
    }

    /// One name without an answer does not hide what is known of the others.
    @Test func whatIsKnownInTimeIsKept() async {
        let began = ContinuousClock.now
        let results = await PersistAttention.results(Array(0..<40), within: .seconds(10)) { number -> Int? in
            if number % 20 == 0 { try? await Task.sleep(for: .seconds(60)) }
            return Task.isCancelled ? nil : number
        }
        #expect(results == (0..<40).map { $0 % 20 == 0 ? nil : $0 })
        #expect(ContinuousClock.now - began < .seconds(50))
        #expect(PersistAttention.unknown(0, of: 3).isEmpty)
        #expect(PersistAttention.unknown(2, of: 40).first?.contains("the records of 2 of 40 names") == true)
    }

    @Test func noTimeForServersIsTheUsualTime() {
        #expect(ChallengeMethod.updateWait(0) == nil && ChallengeMethod.updateWait(nil) == nil)
        // Also as long as the usual time: it is the user's wish.
        for seconds in [40, 90] { #expect(ChallengeMethod.updateWait(seconds) == .seconds(seconds)) }
    }

    @Test func aDayEndsWithItsLastSecond() throws {
        #expect(try Persist.time("2027-01-31", now: 0) == 1_801_439_999)
        #expect(try Persist.time("2027-01-31T12:00:00Z", now: 0) == 1_801_396_800)
        for text in ["", "soon", "2027-02-30", "31.01.2027", "2027-1-31", "1801439999"] {
            #expect(throws: Failure.self, "\(text)") { try Persist.time(text, now: 0) }
        }
        #expect(throws: Failure.self) { try Persist.time("2026-01-01", now: 1_800_000_000) }
    }
}
