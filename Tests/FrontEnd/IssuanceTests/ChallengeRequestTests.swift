import Testing

@testable import Issuance

@Suite struct ChallengeRequestTests {
    private func read(_ text: String) -> ChallengeRequest.Reading { ChallengeRequest.read(Array(text.utf8)) }

    @Test(
        arguments: [
            ("GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: x\r\n\r\n", "abc"),
            ("HEAD /.well-known/acme-challenge/abc HTTP/1.0\r\n\r\n", "abc"),
            ("GET http://x:80/.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", "abc"),
            ("GET /.well-known/acme-challenge/abc HTTP/1.1\n\n", "abc"),
            ("GET /.well-known/acme-challenge/../abc HTTP/1.1\r\n\r\n", "../abc"),
            ("GET /.well-known/acme-challenge/abc?x HTTP/1.1\r\n\r\n", "abc?x"),
            ("GET / HTTP/1.1\r\n\r\n", nil),
            ("GET http://x HTTP/1.1\r\n\r\n", nil),
            ("POST /.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", nil),
        ] as [(String, String?)])
    func targets(text: String, token: String?) {
        guard case .request(let request) = read(text) else { Issue.record("no request"); return }
        #expect(request.token == token)
    }

    @Test(arguments: [
        "\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET /\u{0} HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\n\n",
    ])
    func whatIsNoHTTPIsRefused(text: String) { #expect(read(text) == .malformed) }

    @Test func aHeadIsBounded() {
        #expect(read("GET / HTTP/1.1\r\n") == .incomplete)
        #expect(read("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000)) == .malformed)
        #expect(read("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000) + "\r\n\r\n") == .malformed)
    }
}
