import ACME
import Foundation
import ProcessWaiting
import TestSupport
import Testing
import X509

@testable import Issuance

/// The recipe in Docs/operations.md for a host whose port 443 is a web server's, with a real nginx and a real CA.
@Suite(
    .enabled(
        if: PebbleFixture.isAvailable && Nginx.isAvailable, "pebble, nginx and its stream module are installed"))
struct NginxStreamTests {
    @Test func theCAIsPassedOnWhileTheSiteIsServed() async throws {
        let user = try await PebbleTests.User()
        _ = try await user.register()
        do { try await useNginx(user) } catch { Testing.Issue.record(error) }
        await user.end()
    }

    private func useNginx(_ user: PebbleTests.User) async throws {
        let nginx = try await Nginx(user.pebble)
        let visits = Task { () async throws -> Int in
            var visits = 0
            while !Task.isCancelled {
                let seen: String
                do { seen = try await nginx.visit() } catch is CancellationError { break }
                #expect(seen == "127.0.0.1 www.example.org\n")
                visits += 1
            }
            return visits
        }
        for _ in 0..<2 {
            let listener = TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(nginx.challengePort)")])
            let (flow, client) = try await user.flow([listener])
            _ = try await flow.issue(try Bench.request(["www.example.org", "127.0.0.1"]))
            #expect(client.requestCount <= 13)
        }
        try await Task.sleep(for: .milliseconds(100))
        visits.cancel()
        #expect(try await visits.value > 1)
        // Without an order nobody listens there: the CA's protocol gets no certificate of the site.
        await #expect(throws: (any Error).self) { try await TLSClient.handshake(nginx.port, version: .tlsv12) }
        let site = try await TLSClient.handshake(nginx.port, protocols: ["http/1.1"], version: .tlsv12)
        #expect(try Certificate(derEncoded: site.certificate).subject.description == "CN=localhost")
        nginx.stop()
    }
}

/// nginx with the recipe's configuration, on free ports.
final class Nginx: Sendable {
    /// What the world connects to, in place of 443: Pebble's port for tls-alpn-01.
    let port: Int
    let challengePort: Int
    private let process: Process
    private let folder: TemporaryFolder
    private let pebble: PebbleFixture

    private static let program = "/usr/sbin/nginx", module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    private static let document =
        #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined() + "/Docs/operations.md"

    static var isAvailable: Bool { [program, module].allSatisfy { FileManager.default.fileExists(atPath: $0) } }

    /// The first block of nginx's configuration after a line of the document.
    private static func block(after line: String) throws -> String {
        let text = try String(contentsOfFile: document, encoding: .utf8)
        let rest = try #require(text.range(of: line)).upperBound
        let start = try #require(text.range(of: "```nginx\n", range: rest..<text.endIndex)).upperBound
        let end = try #require(text.range(of: "```", range: start..<text.endIndex)).lowerBound
        return String(text[start..<end])
    }

    init(_ pebble: PebbleFixture) async throws {
        self.pebble = pebble
        folder = try TemporaryFolder()
        port = pebble.tlsALPN01Port
        let ports = try PebbleFixture.freePorts(1)
        challengePort = ports[0]
        let socket = folder.file("tls.sock")
        func here(_ text: String) -> String {
            // One family is enough, and IPv6's port may be taken.
            text.split(separator: "\n").filter { !$0.contains("listen [::]:443") }.joined(separator: "\n")
                .replacingOccurrences(of: "listen 443;", with: "listen 127.0.0.1:\(pebble.tlsALPN01Port);")
                .replacingOccurrences(of: "127.0.0.1:1001", with: "127.0.0.1:\(ports[0])")
                .replacingOccurrences(of: "/run/nginx-tls/tls.sock", with: socket) + "\n"
        }
        let section = "## Port 443"
        let stream = here(try Self.block(after: section)), server = here(try Self.block(after: "In each `server` of the site"))
        let file = try folder.write(
            "nginx.conf",
            """
            \(geteuid() == 0 ? "user root;" : "")
            load_module \(Self.module);
            daemon off;
            pid \(folder.file("pid"));
            error_log stderr;
            events {}
            \(stream)
            http {
                access_log off;
                client_body_temp_path \(folder.file("body"));
                proxy_temp_path \(folder.file("proxy"));
                fastcgi_temp_path \(folder.file("fastcgi"));
                uwsgi_temp_path \(folder.file("uwsgi"));
                scgi_temp_path \(folder.file("scgi"));
                server {
                    \(server)
                    server_name www.example.org;
                    ssl_certificate \(pebble.folder.file("server.pem"));
                    ssl_certificate_key \(pebble.folder.file("server.key"));
                    location / { return 200 "$remote_addr $host\\n"; }
                }
            }
            """)
        process = Process()
        // Under a name of its own: other tests look for the machine's nginx.
        let copy = folder.file("web-server")
        try FileManager.default.copyItem(atPath: Self.program, toPath: copy)
        process.executableURL = URL(fileURLWithPath: copy)
        process.arguments = ["-c", file, "-p", folder.path, "-e", "stderr"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(forWritingAtPath: try folder.write("log", ""))
        try process.runAlone()
        for _ in 0..<250 where (try? await visit()) == nil { try await Task.sleep(for: .milliseconds(20)) }
        guard (try? await visit()) != nil else { throw PebbleError(message: "nginx did not start: \(try folder.read("log"))") }
    }

    deinit { stop() }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitAsleep()
    }

    /// What a visitor sees.
    func visit() async throws -> String {
        let curl = ExternalProgram(path: "/usr/bin/curl", environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(10))
        let (status, output) = try await curl.output(
            of: [
                "-sS", "--insecure", "--resolve", "www.example.org:\(port):127.0.0.1", "https://www.example.org:\(port)/",
            ], limit: 4096)
        guard status == 0 else { throw PebbleError(message: String(decoding: output, as: UTF8.self)) }
        return String(decoding: output, as: UTF8.self)
    }
}
