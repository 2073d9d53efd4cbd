import ACME
import CertificateStore
import Crypto
import Foundation
import TestSupport
import Testing

@testable import acme_agent

/// A process that keeps running for a year (`make test-long`).
@Suite struct YearOfRunTests {
    /// The resident memory of this process, bytes.
    private static var resident: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4_096
    }

    /// The rounds of `acme-agent run`, two a day, with a look at a revocation list in each. The CA, which is down, is
    /// asked every 30 days: its client tries for seconds.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil)) func itsMemoryDoesNotGrow() async throws {
        let files = try CommandLineSession(), server = try await ListServer(), ca = RevokingCA(now: CommandLineSession.now)
        for index in 0..<5 {
            let name = "c\(index).example.org", key = P256.Signing.PrivateKey().publicKey, serial = [0x40, UInt8(index)]
            let chain = try ca.chain(serial: serial, points: [[server.url("/list")]], names: [name], subject: key)
            _ = try await files.store.install(
                NewCertificate(
                    name: try CertificateName(name), pem: RevokingCA.pem(chain), key: try KeyName(name), spki: Array(key.derRepresentation),
                    identifiers: [try Identifier(argument: name)], directory: try ACMEURL("https://127.0.0.1:1/dir"),
                    time: CommandLineSession.now, isDeployed: true))
        }
        var list = RevokingCA.List()
        (list.thisUpdate, list.nextUpdate) = (CommandLineSession.now - 60, CommandLineSession.now + 86_400)
        list.entries = (0..<1_000).map { .init([0x50, UInt8($0 >> 8), UInt8($0 & 0xFF)]) }
        server.answer("/list", .list(try ca.list(list)))
        var options = GlobalOptions.unset
        options.config = files.folder.file("acme-agent.toml")
        let output = Output(json: false, verbosity: .quiet), display = ProgressDisplay(output)
        var resident: [Int: Int] = [:]
        for round in 1...(2 * 365) {
            // As if half a day had passed.
            for name in try await files.store.certificateNames() {
                var record = try await files.store.renewalRecord(named: name)
                record.nextListLook = nil
                record.nextLook = round % 60 == 1 ? nil : CommandLineSession.now + 3_600
                try await files.store.write(record)
            }
            let session = Session(settings: try Settings(options, environment: Environment()), output: output)
            let renewals = Renewals(
                session, given: CertificateSettings(), CertificateOptions.unset, display, isForced: false, isNamed: false)
            try await renewals.runDue(atOnce: 4)
            display.finish(summary: false)
            #expect(renewals.report.notDue.count == 5)
            if round == 2 * 30 || round == 2 * 365 { resident[round] = Self.resident }
        }
        let month = try #require(resident[2 * 30]), year = try #require(resident[2 * 365])
        print("resident after a month: \(month >> 10) KiB, after a year: \(year >> 10) KiB")
        #expect(year - month < 4 << 20, "\(month) bytes after a month, \(year) after a year")
        await server.stop()
    }

    @Test func theDisplayForgetsWhatIsOver() throws {
        let display = ProgressDisplay(Output(json: false, verbosity: .quiet))
        display.show(.authorizationPending(try Identifier(argument: "www.example.org")))
        #expect(display.nameCount == 1)
        display.finish(summary: false)
        #expect(display.nameCount == 0)
    }
}
