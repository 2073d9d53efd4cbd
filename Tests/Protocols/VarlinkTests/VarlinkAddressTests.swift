import Testing
import Varlink

@Suite struct VarlinkAddressTests {
    @Test func reads() {
        #expect(VarlinkAddress("unix:/run/acme-agent/agent.sock")?.path == "/run/acme-agent/agent.sock")
        #expect(VarlinkAddress("unix:/run/x;mode=0660")?.path == "/run/x")
        #expect(VarlinkAddress(path: "/run/x")?.description == "unix:/run/x")
        #expect(VarlinkAddress(path: String(repeating: "x", count: 107)) != nil)
    }

    @Test(arguments: ["", "unix:", "unix:;x", "unix:@abstract", "tcp:127.0.0.1:1", "/run/x", "UNIX:/run/x", "unix:/a\u{0}b"])
    func refuses(_ text: String) { #expect(VarlinkAddress(text) == nil) }

    @Test func length() { #expect(VarlinkAddress(path: String(repeating: "x", count: 108)) == nil) }
}
