import ACMEClient
import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import Issuance

/// Revocation lists over HTTP, from servers that behave and others, and lists that OpenSSL made.
@Suite struct RevocationListDownloadTests {
    private func fetch(
        _ server: ListServer, _ path: String, limit: Int = 1 << 20, within patience: Duration = .seconds(10)
    ) async throws -> Result<[UInt8], RevocationListDownloadError> {
        let transport = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test")
        let url = try #require(RevocationListURL(server.url(path)))
        do {
            let bytes = try await transport.revocationList(at: url, limit: limit, within: patience)
            await transport.shutdown()
            return .success(bytes)
        } catch let error as RevocationListDownloadError {
            Task { await transport.shutdown() }
            return .failure(error)
        }
    }

    private func reason(_ result: Result<[UInt8], RevocationListDownloadError>) -> String {
        if case .failure(let error) = result { return error.reason }
        return "\(result)"
    }

    @Test func aListComesBoundedInSizeTimeAndRedirects() async throws {
        let server = try await ListServer()
        server.answer("/list", .list([1, 2, 3]))
        server.answer("/moved", .redirect("/list"))
        server.answer("/far", .redirect(server.url("/moved")))
        #expect(try await fetch(server, "/list").get() == [1, 2, 3])
        #expect(try await fetch(server, "/far").get() == [1, 2, 3])
        server.answer("/loop", .redirect("/loop"))
        #expect(reason(try await fetch(server, "/loop")) == "more than 3 redirects")
        #expect(server.log.filter { $0 == "/loop" }.count == 4)
        for place in ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "http://", "http://user@127.0.0.1/list", ""] {
            server.answer("/away", .redirect(place))
            #expect(reason(try await fetch(server, "/away")).contains("neither http nor https"), "\(place)")
        }
        // Whoever answers must not make this program ask inner servers.
        for host in ["10.0.0.1", "169.254.169.254", "192.168.1.1", "172.31.0.1", "[::1]", "[fd00::1]", "[fe80::1]", "localhost"] {
            server.answer("/away", .redirect("http://\(host):\(server.port)/list"))
            #expect(reason(try await fetch(server, "/away")) == "a redirect to an address of an inner network", "\(host)")
        }
        // To https, where nobody speaks it.
        server.answer("/secure", .redirect("https://127.0.0.1:\(server.port)/list"))
        let secure = try await fetch(server, "/secure")
        #expect(reason(secure) == "the server does not speak TLS", "\(secure)")
        server.answer("/stated", .raw("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"))
        #expect(reason(try await fetch(server, "/stated")) == "it is larger than 1 MiB")
        server.answer("/endless", .endless)
        #expect(reason(try await fetch(server, "/endless")) == "it is larger than 1 MiB")
        server.answer("/short", .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
        #expect(reason(try await fetch(server, "/short")).contains("before the response was complete"))
        server.answer("/junk", .raw("hello\r\n\r\n"))
        #expect(reason(try await fetch(server, "/junk")) == "its response cannot be read")
        #expect(reason(try await fetch(server, "/none")) == "HTTP status 404")
        server.answer("/silent", .silence)
        let start = ContinuousClock.now
        guard case .failure(let silent) = try await fetch(server, "/silent", within: .milliseconds(300)) else { throw Failure() }
        #expect(silent.isUnreachable && ContinuousClock.now - start < .seconds(5))
        await server.stop()
    }

    private struct Failure: Error {}

    /// Two shards, the wrong one served for one of them.
    @Test func anotherShardHidesNothing() async throws {
        let server = try await ListServer(), now = Int64(Date().timeIntervalSince1970), ca = RevokingCA(now: now)
        func shard(_ number: Int, _ serial: [UInt8]) throws -> [UInt8] {
            var list = RevokingCA.List()
            (list.thisUpdate, list.nextUpdate) = (now - 60, now + 86_400)
            list.points = [server.url("/\(number)")]
            list.entries = [.init(serial, date: now - 120)]
            return try ca.list(list)
        }
        let subjects = try [([0x41], 1), ([0x42], 2)].map { serial, number in
            RevocationChecks.Subject(
                chain: try CertificateChain(der: try ca.chain(serial: serial, points: [[server.url("/\(number)")]])))
        }
        server.answer("/1", .list(try shard(1, [0x41])))
        // Both are signed and current, but the second is the first's.
        server.answer("/2", .list(try shard(1, [0x41])))
        let transport = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test")
        let checks = RevocationChecks { try await transport.revocationList(at: $0) }
        var looks = try await checks.looks(at: subjects)
        guard case .revoked = looks[0] else { throw Failure() }
        #expect(looks[1] == .failed(reason: "\(server.url("/2")): it is the list of another distribution point"))
        server.answer("/2", .list(try shard(2, [0x42])))
        looks = try await checks.looks(at: subjects)
        guard case .revoked = looks[1] else { throw Failure() }
        await transport.shutdown()
        await server.stop()
    }

    /// Independent bytes: keys of each kind that CAs sign lists with.
    @Test(arguments: [
        "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384", "ec -pkeyopt ec_paramgen_curve:P-521", "rsa:2048",
        "ed25519",
    ])
    func listsOfOpenSSLAreRead(_ kind: String) async throws {
        let hash = kind == "ed25519" ? "null" : kind.contains("384") ? "sha384" : kind.contains("521") ? "sha512" : "sha256"
        let looks = try await looks(atListOf: kind, hash)
        guard case .revoked(let revocation, let seen) = looks[0], case .notRevoked = looks[1] else {
            Issue.record("\(looks)")
            return
        }
        #expect(revocation.reason == .keyCompromise && seen.number == "01")
        #expect(seen.nextUpdate - seen.thisUpdate == 7 * 86_400)
    }

    /// RSASSA-PSS, with the parameters that CAs may use (RFC 4055 §3.1).
    @Test(arguments: ["sha256", "sha384", "sha512"]) func listsWithPSSAreRead(_ hash: String) async throws {
        let looks = try await looks(atListOf: "rsa:2048", hash, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest")
        guard case .revoked(let revocation, _) = looks[0], case .notRevoked = looks[1] else {
            Issue.record("\(looks)")
            return
        }
        #expect(revocation.reason == .keyCompromise)
        // A changed byte of the list.
        let changed = try await self.looks(
            atListOf: "rsa:2048", hash, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest", changing: true)
        #expect(
            changed == [.failed(reason: "\(Self.url): its signature is wrong"), .failed(reason: "\(Self.url): its signature is wrong")])
    }

    @Test(arguments: [
        ("sha1", "rsa_pss_saltlen:digest"), ("sha256", "rsa_pss_saltlen:20"), ("sha256", "rsa_mgf1_md:sha1"),
        ("sha224", "rsa_pss_saltlen:28"),
    ]) func otherParametersOfPSSAreRefused(_ hash: String, _ option: String) async throws {
        let salt = option.hasPrefix("rsa_mgf1") ? " -sigopt rsa_pss_saltlen:digest" : ""
        let looks = try await looks(atListOf: "rsa:2048", hash, "-sigopt rsa_padding_mode:pss -sigopt \(option)\(salt)")
        #expect(looks.first == .failed(reason: "\(Self.url): \(RevocationListFault.unknownSignatureParameters)"), "\(looks)")
    }

    private static let url = "http://crl.example/1.crl"

    /// What a list of OpenSSL's says about a certificate that is on it, and about one that is not.
    private func looks(
        atListOf kind: String, _ hash: String, _ options: String = "", changing: Bool = false
    ) async throws -> [RevocationLook] {
        let folder = try TemporaryFolder(), url = Self.url
        try folder.write(
            "ca.cnf",
            """
            [ca]
            default_ca = own
            [own]
            database = index.txt
            new_certs_dir = .
            certificate = ca.pem
            private_key = ca.key
            serial = serial
            crlnumber = crlnumber
            default_md = \(hash)
            default_crl_days = 7
            default_days = 90
            policy = any
            x509_extensions = leaf
            crl_extensions = list
            [any]
            commonName = optional
            [leaf]
            crlDistributionPoints = URI:\(url)
            authorityKeyIdentifier = keyid
            [list]
            authorityKeyIdentifier = keyid
            issuingDistributionPoint = critical, @point
            [point]
            fullname = URI:\(url)
            """)
        let script = """
            cd \(folder.path) || exit; exec 2>log; set -e; : >index.txt; echo 9000 >serial; echo 01 >crlnumber
            openssl req -x509 -newkey \(kind) -nodes -keyout ca.key -out ca.pem -subj "/CN=Open CA" -days 90
            for leaf in one two; do
                openssl req -newkey rsa:2048 -nodes -keyout $leaf.key -out $leaf.csr -subj "/CN=$leaf.example"
                openssl ca -batch -notext -config ca.cnf -in $leaf.csr -out $leaf.pem
                openssl x509 -in $leaf.pem -outform der -out $leaf.der
            done
            openssl ca -config ca.cnf -revoke one.pem -crl_reason keyCompromise
            openssl ca -config ca.cnf -gencrl \(options) -out list.pem; openssl crl -in list.pem -outform der -out list.der
            openssl x509 -in ca.pem -outform der -out ca.der
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\((try? folder.read("log")) ?? "")")
        func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: folder.file(name)))) }
        let issuer = try bytes("ca.der")
        var list = try bytes("list.der")
        if changing, let place = list.firstRange(of: Array("Open CA".utf8)) { list[place.lowerBound] = UInt8(ascii: "o") }
        let subjects = try ["one.der", "two.der"].map {
            RevocationChecks.Subject(chain: try CertificateChain(der: [try bytes($0), issuer]))
        }
        return try await RevocationChecks { [list] _ in list }.looks(at: subjects)
    }
}
