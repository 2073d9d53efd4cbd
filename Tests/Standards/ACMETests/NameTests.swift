import ACME
import Testing

@Suite("Key names, nonces, tokens, text for terminals")
struct NameTests {
    @Test("Key names", arguments: ["a", "web", "www.example.org", "le-account_2", "0", String(repeating: "a", count: 64)])
    func keyName(text: String) throws {
        #expect(try KeyName(text).rawValue == text)
        #expect("\(try KeyName(text))" == text)
    }

    @Test(
        "Not a key name",
        arguments: [
            "", ".", "..", "../../x", "a..b", "a/b", "/a", "-rf", "_a", ".a", "--help", "A", "Web", "a b", " a", "a ", "a\n", "a\r\n",
            "a\u{0}", "a\\b",
            "\u{1B}[31mred", "\u{202E}gpj", "ä", "a;rm", "a$(x)", "a*", "a:b", "a%2f", "a+", "a@b", String(repeating: "a", count: 65),
            String(repeating: "a", count: 100_000),
        ])
    func noKeyName(text: String) {
        do throws(KeyNameError) {
            _ = try KeyName(text)
            Issue.record("taken")
        } catch {
            let sentence = "\(error)"
            #expect(sentence.contains("is not a key name: "))
            #expect(sentence.unicodeScalars.allSatisfy { TerminalText.isSafe($0) })
            #expect(sentence.utf8.count < 300)
        }
    }

    @Test("Nonces", arguments: ["a", "UQI1PoRi5OuXzxuX7V7wL0", "_-", "Zh", String(repeating: "x", count: 1024)])
    func nonce(text: String) { #expect(ACMENonce.isValid(text)) }

    @Test(
        "Not a nonce",
        arguments: [
            "", "a=", "a==", "a+b", "a/b", "a b", "a\n", "a\r\n", "\r\nx", "a\u{0}", "é", "a,b", "\"", "\u{1B}[31m",
            String(repeating: "x", count: 1025),
            String(repeating: "x", count: 10_240),
        ])
    func noNonce(text: String) { #expect(!ACMENonce.isValid(text)) }

    @Test("Tokens", arguments: ["a", "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", String(repeating: "x", count: 512)])
    func token(text: String) { #expect(ChallengeToken.isValid(text)) }

    @Test(
        "Not a token",
        arguments: [
            "", "..", "../x", "a/b", "a.b", "$(x)", "`x`", "a;b", "a b", "a\n", "a=", "a'", "\u{0}", String(repeating: "x", count: 513),
        ])
    func noToken(text: String) { #expect(!ChallengeToken.isValid(text)) }

    @Test(
        "Text that would control a terminal",
        arguments: [
            ("plain, ünïcode, 証明書", "plain, ünïcode, 証明書"), ("\u{1B}[2J", "\u{FFFD}[2J"), ("\u{9B}2J", "\u{FFFD}2J"),
            ("a\nb\rc\td", "a\u{FFFD}b\u{FFFD}c\u{FFFD}d"), ("a\r\nb", "a\u{FFFD}\u{FFFD}b"),
            ("\u{0}\u{7}\u{8}\u{7F}", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("\u{202E}abc\u{2066}", "\u{FFFD}abc\u{FFFD}"), ("a\u{2028}b\u{2029}", "a\u{FFFD}b\u{FFFD}"),
            ("\u{200B}\u{FEFF}\u{E0041}", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("\u{E000}", "\u{FFFD}"),
        ])
    func terminal(text: String, safe: String) { #expect(TerminalText.safe(text) == safe) }

    @Test("A long text is cut")
    func limit() {
        #expect(TerminalText.safe("abcdef", limit: 3) == "abc…")
        #expect(TerminalText.safe("abc", limit: 3) == "abc")
        #expect(TerminalText.safe(String(repeating: "a", count: 1_000_000)).unicodeScalars.count == TerminalText.maximumScalars + 1)
    }
}
