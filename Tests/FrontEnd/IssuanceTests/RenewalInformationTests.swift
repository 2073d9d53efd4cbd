import ACME
import ACMEClient
import CertificateStore
import TestSupport
import Testing

@testable import Issuance

/// RFC 9773: asking for the window, and naming the replaced certificate.
@Suite struct RenewalInformationTests {
    private static let certID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    private static let window = #"{"start":"2027-02-01T00:00:00Z","end":"2027-02-02T00:00:00Z"}"#

    private func ask(_ bench: Bench) async throws -> (information: RenewalInformation, retryAfter: Int64?)? {
        try await ACMEClient(directory: bench.ca.directory, transport: bench.ca, time: bench.time).renewalInformation(
            certID: Self.certID)
    }

    @Test func theWindowIsAskedForWithoutASignature() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.renewalWindows = [Self.certID: Self.window]
        for (retryAfter, seconds) in [("21600", 21_600), (nil, nil)] as [(String?, Int64?)] {
            behaviour.renewalRetryAfter = retryAfter
            let bench = try Bench(behaviour)
            let answer = try #require(try await ask(bench))
            #expect(answer.information.end - answer.information.start == 86_400)
            #expect(answer.information.explanationURL == "https://ca.test/why")
            #expect(answer.retryAfter == seconds)
            #expect(bench.ca.log == ["GET /dir", "GET /ari/\(Self.certID)"])
        }
    }

    @Test func aCAThatDoesNotKnowItIsNoError() async throws {
        #expect(try await ask(try Bench()) == nil)
        var behaviour = FakeCA.Behaviour()
        behaviour.renewalWindows = [:]
        #expect(try await ask(try Bench(behaviour)) == nil)
    }

    @Test(arguments: [
        "{}", #"{"start":"2027-02-02T00:00:00Z","end":"2027-02-01T00:00:00Z"}"#, #"{"start":"soon","end":"later"}"#, "null",
        #"{"start":"2027-02-02T00:00:00Z"}"#, "[]", #""2027""#,
    ]) func anAnswerThatSaysNothingIsAnError(window: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.renewalWindows = [Self.certID: window]
        let bench = try Bench(behaviour)
        await #expect(throws: ACMEClientError.self) { try await ask(bench) }
    }

    /// Only to a CA that offers it.
    @Test(arguments: [true, false]) func theReplacedCertificateIsNamed(isOffered: Bool) async throws {
        var behaviour = FakeCA.Behaviour()
        if isOffered { behaviour.renewalWindows = [:] }
        let bench = try Bench(behaviour)
        let first = try await bench.flow().issue(try Bench.request()).certificate
        _ = try await bench.flow().issue(try IssuanceFlow.renewalRequest(for: first))
        let certID = try #require(first.certID)
        #expect(bench.ca.replacements == (isOffered ? [nil, certID] : [nil, nil]))
    }

    /// Not for other names, nor for what its user revoked.
    @Test func whatIsNotReplacedIsNotNamed() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.renewalWindows = [:]
        let bench = try Bench(behaviour)
        let first = try await bench.flow().issue(try Bench.request()).certificate
        var other = try Bench.request(["other.example.org"])
        other.name = first.name
        _ = try await bench.flow().issue(other)
        let second = try #require(try await bench.store.certificate(named: first.name))
        try await bench.store.markRevoked(first.name, generation: second.metadata.generation)
        _ = try await bench.flow().issue(other)
        #expect(bench.ca.replacements == [nil, nil, nil])
    }

    @Test(arguments: ["alreadyReplaced", "malformed"]) func aRefusalOfItIsNoFailure(refusal: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.renewalWindows = [:]
        behaviour.replacesRefusal = refusal
        let bench = try Bench(behaviour)
        let first = try await bench.flow().issue(try Bench.request()).certificate
        let second = try await bench.flow().issue(try IssuanceFlow.renewalRequest(for: first)).certificate
        #expect(second.metadata.generation == 2 && bench.ca.replacements == [nil, nil])
    }
}
