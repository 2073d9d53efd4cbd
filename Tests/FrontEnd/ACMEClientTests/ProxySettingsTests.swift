import ACME
import Testing

@testable import ACMEClient

@Suite struct ProxySettingsTests {
    private func proxy(for host: String, except exceptions: String? = nil) throws -> String? {
        let settings = ProxySettings(proxy: try Proxy("proxy.test:3128"), exceptions: exceptions)
        return settings.proxy(for: try Origin("https://" + host))?.description
    }

    @Test func readsWhatVariablesHave() throws {
        for (text, expected) in [
            ("http://proxy.test:3128", "proxy.test:3128"), ("proxy.test:3128", "proxy.test:3128"), ("http://Proxy.test/", "proxy.test:80"),
            ("http://proxy.test:443", "proxy.test:443"), ("HTTP://192.0.2.1:8080", "192.0.2.1:8080"),
            ("socks5://[2001:db8::1]:1081/", "[2001:db8::1]:1081"), ("socks5h://proxy.test", "proxy.test:1080"),
            ("http://user:p%40ss@proxy.test:1", "proxy.test:1"),
        ] {
            #expect("\(try Proxy(text))" == expected)
        }
        #expect(try Proxy("http://user:p%40ss@proxy.test:1").credentials == "user:p@ss")
        #expect(try Proxy("socks5://a").kind == .socks)
    }

    @Test(arguments: [
        "", "http://", "https://proxy.test", "ftp://x", "proxy.test:0", "proxy.test:x", "http://a b", "a%zz@proxy.test",
        "http://a%+5@proxy.test", "socks5://u:secret@x",
    ])
    func aProxyThatIsNoneIsRefusedAndItsPasswordNotShown(text: String) {
        do {
            _ = try Proxy(text)
            Issue.record("taken")
        } catch { #expect(!"\(error)".contains("secret")) }
    }

    @Test func exceptionsAreReachedDirectly() throws {
        #expect(try proxy(for: "ca.test") == "proxy.test:3128")
        for list in ["*", "ca.test", "other.test, CA.test", ".test", "test", "*.test", "ca.test:443", "x,ca.test"] {
            #expect(try proxy(for: "ca.test", except: list) == nil, "\(list)")
        }
        for list in ["", ",", "a.test", "a.ca.test", "ca.tes", "ca.test:8443", "st"] {
            #expect(try proxy(for: "ca.test", except: list) != nil, "\(list)")
        }
        #expect(try proxy(for: "acme.ca.test", except: "ca.test") == nil)
        #expect(try proxy(for: "evilca.test", except: "ca.test") != nil)
        #expect(try proxy(for: "192.0.2.1", except: "192.0.2.1") == nil)
        #expect(try proxy(for: "[2001:db8::1]:14000", except: "2001:db8:0::1") == nil)
        // This machine is never reached through a proxy.
        for host in ["localhost:14000", "127.0.0.1", "[::1]"] { #expect(try proxy(for: host) == nil) }
    }

    @Test(
        arguments: [
            (nil, "en"), ("", "en"), ("C", "en"), ("POSIX", "en"), ("C.UTF-8", "en"), ("en_US.UTF-8", "en-US, en;q=0.9"),
            ("de_AT.UTF-8@euro", "de-AT, de;q=0.9, en;q=0.5"), ("fr", "fr, en;q=0.5"), ("x\r\ny", "en"), ("de_A,", "de, en;q=0.5"),
        ] as [(String?, String)]) func languages(locale: String?, value: String)
    {
        #expect(PreferredLanguage.fieldValue(locale: locale) == value)
    }
}
