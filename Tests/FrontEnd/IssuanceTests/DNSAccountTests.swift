import ACME
import ACMEClient
import CertificateStore
import JOSE
import TestSupport
import Testing

@testable import Issuance

/// dns-account-01 (draft-ietf-acme-dns-account-label) with a hook, at a CA that looks at the account's own record.
@Suite struct DNSAccountTests {
    /// Where the hook writes, in place of DNS: a line for each record.
    private let zone: TemporaryFolder
    private let bench: Bench

    init() throws {
        let zone = try TemporaryFolder()
        try zone.write("records", "")
        self.zone = zone
        var behaviour = FakeCA.Behaviour()
        behaviour.challengeTypes = ["http-01", "dns-01", "dns-account-01"]
        bench = try Bench(behaviour) { key, identifier, type, token in
            guard type == "dns-account-01", let account = try? ACMEURL("https://ca.test/acct/\(key.thumbprint)"),
                case .dns(let name) = identifier
            else { return nil }
            let authorization = KeyAuthorization(token: token, thumbprint: key.thumbprint)
            let record = "\(AccountLabel(account))._acme-challenge.\(name.base) \(authorization.dns01Value)"
            return (try? zone.read("records"))?.split(separator: "\n").contains { $0 == record } == true ? authorization.text : nil
        }
    }

    private func solver(_ challenge: DNSChallenge) throws -> DNS01Hook {
        let file = zone.file("records")
        let hook = try zone.write(
            "hook",
            """
            #!/bin/bash
            exec 9<"$0"; flock 9
            case $1 in
                present) echo "$2 $3" >>'\(file)' ;;
                cleanup) grep -vxF "$2 $3" '\(file)' >'\(file).new'; mv '\(file).new' '\(file)' ;;
            esac
            """, mode: 0o700)
        return DNS01Hook(
            program: ExternalProgram(path: hook, environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(20)), challenge: challenge)
    }

    @Test func aNameAndItsWildcardAreProven() async throws {
        let flow = try bench.flow(solvers: [try solver(.dnsAccount01(AccountLabel(bench.account)))])
        let request = try Bench.request(["example.org", "*.example.org", "www.example.org"])
        _ = try await flow.issue(request)
        #expect(try zone.read("records") == "")
        #expect(bench.ca.log.filter { $0.hasSuffix("/dns-account-01") }.count == 3)
    }

    /// What a crash leaves is removed by the journal's record name.
    @Test func whatACrashLeavesIsRemoved() async throws {
        let killSwitch = KillSwitch(after: 12)
        let solver = try solver(.dnsAccount01(AccountLabel(bench.account)))
        let killed = try bench.flow(killedBy: killSwitch, solvers: [solver])
        await #expect(throws: (any Error).self) { try await killed.issue(try Bench.request(["example.org"])) }
        try await solver.present(
            ChallengeAnswer(
                type: .dnsAccount01, identifier: try Identifier(argument: "example.org"),
                keyAuthorization: KeyAuthorization(token: "other", thumbprint: "other"), target: "_acme-challenge.other.example"))
        _ = try await bench.flow(solvers: [solver]).issue(try Bench.request(["example.org"]))
        #expect(try zone.read("records").split(separator: "\n").map { $0.prefix { $0 != " " } } == ["_acme-challenge.other.example"])
    }

    @Test func updatesAreForTheAccountsRecordToo() throws {
        let settings = try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: nil)
        let solver = DNS01Update(settings, challenge: .dnsAccount01(AccountLabel(bench.account)))
        #expect(try solver.answer("*.example.org").target == "\(AccountLabel(bench.account))._acme-challenge.example.org")
        #expect(solver.type == .dnsAccount01 && DNS01Update(settings).type == .dns01)
    }

    /// The two kinds of record do not stand in for each other.
    @Test func theOtherRecordProvesNothing() async throws {
        let flow = try bench.flow(solvers: [try solver(.dns01)])
        await #expect(throws: IssuanceError.self) { try await flow.issue(try Bench.request(["example.org"])) }
        #expect(try zone.read("records") == "")
        bench.ca.change { $0.challengeTypes = ["http-01", "dns-01"] }
        let other = try bench.flow(solvers: [try solver(.dnsAccount01(AccountLabel(bench.account)))])
        await #expect { try await other.issue(try Bench.request(["www.example.org"])) } throws: {
            "\($0)".contains("the CA offers http-01, dns-01")
        }
    }
}
