import NIOHTTP1
import Testing

@testable import Issuance

@Suite struct ChallengeRequestTests {
    @Test(
        arguments: [
            (.GET, "/.well-known/acme-challenge/abc", "abc"), (.HEAD, "/.well-known/acme-challenge/abc", "abc"),
            (.GET, "http://x:80/.well-known/acme-challenge/abc", "abc"), (.GET, "/.well-known/acme-challenge/../abc", "../abc"),
            (.GET, "/.well-known/acme-challenge/abc?x", "abc?x"), (.GET, "/.well-known/acme-challenge/", ""), (.GET, "/", nil),
            (.GET, "http://x", nil), (.GET, "*", nil), (.POST, "/.well-known/acme-challenge/abc", nil),
            (.OPTIONS, "/.well-known/acme-challenge/abc", nil),
        ] as [(HTTPMethod, String, String?)])
    func targets(method: HTTPMethod, target: String, token: String?) {
        let request = ChallengeRequest(HTTPRequestHead(version: .http1_1, method: method, uri: target))
        #expect(request.token == token)
        #expect(request.wantsBody == (method != .HEAD))
    }
}
