import Testing
import Varlink

@Suite struct VarlinkMethodNameTests {
    @Test func splits() throws {
        let name = try #require(VarlinkMethodName("org.varlink.service.GetInfo"))
        #expect(name.interfaceName == "org.varlink.service")
        #expect(name.memberName == "GetInfo")
        #expect(name.description == "org.varlink.service.GetInfo")
        let part = Array("xorg.example.Doy".utf8)[1...14]
        #expect(VarlinkMethodName(part) == VarlinkMethodName("org.example.Do"))
    }

    @Test(arguments: ["a.b.C", "A.1.C", "a-b.c--d.X1", "org.example.0-0.Z", "xn--lgbbat1ad8j.example.algeria.Do"])
    func isName(_ text: String) { #expect(VarlinkMethodName(text) != nil) }

    @Test(arguments: [
        "", ".", "C", "a.C", ".a.C", "a..b.C", "a.b.", "a.b.c", "a.b.C_", "a.b.Ç", "a.b.C ", " a.b.C", "1a.b.C", "-a.b.C", "a-.b.C",
        "a.-b.C",
        "a.b-.C", "a.b.1C", "a.b_c.D", "a.b.C\u{0}", "a.b.C\n", "é.b.C", "a/b.C",
    ])
    func isNone(_ text: String) { #expect(VarlinkMethodName(text) == nil) }

    @Test func length() {
        let interface = "a." + String(repeating: "b", count: 253)
        #expect(VarlinkMethodName(interface + ".C") != nil)
        #expect(VarlinkMethodName(interface + "b.C") == nil)
        #expect(VarlinkMethodName("a.b." + String(repeating: "C", count: 256)) == nil)
    }
}
