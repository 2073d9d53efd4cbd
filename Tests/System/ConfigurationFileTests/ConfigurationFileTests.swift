import ConfigurationFile
import Testing

@Suite("Configuration files")
struct ConfigurationFileTests {
    private func parse(_ text: String) throws(ConfigurationError) -> ConfigurationTable {
        try ConfigurationFile.parse(Array(text.utf8), file: "t.toml")
    }

    private func failure(_ body: () throws(ConfigurationError) -> Void) -> ConfigurationError? {
        do throws(ConfigurationError) {
            try body()
            return nil
        } catch { return error }
    }

    @Test("A syntax error has its line and column")
    func syntax() {
        let error = failure { () throws(ConfigurationError) in _ = try parse("a = 1\nb = \"x\" y\n") }
        #expect(error?.line == 2 && error?.column == 9)
        #expect(error?.description == "t.toml:2:9: expected the end of the line, found \"y\"")
    }

    @Test("A mistyped key is reported with its line, wherever and however it is written, and a hint")
    func mistyped() throws {
        let texts: [(text: String, line: Int)] = [
            ("a = '''\nsokcet = 1\n'''\nsokcet = 1", 4),
            ("# sokcet = 1\n\n  \"sokcet\" = 1", 3),
            ("a = [\n'sokcet', # =\n]\nsokcet.b = 1", 4),
            ("a = 1\n[sokcet]\nb = 1", 2),
            ("a = 1\n[ sokcet . b ]", 2),
            ("a = 1\n[[sokcet]]\n[[sokcet]]", 2),
        ]
        for (text, line) in texts {
            let table = try parse(text)
            let error = failure { () throws(ConfigurationError) in try table.finish(known: ["a", "socket", "mode"]) }
            #expect(error?.line == line && error?.hint == "did you mean \"socket\"?", "\(text): \(String(describing: error))")
        }
        let far = failure { () throws(ConfigurationError) in try parse("zebra = 1").finish(known: ["a", "b"]) }
        #expect(far?.hint == "settings here: a, b")
        let first = failure { () throws(ConfigurationError) in try parse("z = 1\na = 1").finish(known: []) }
        #expect(first?.line == 1)
    }

    @Test("In a table and in the elements of an array of tables too")
    func inTables() throws {
        let root = try parse("[a]\nb = 1\n\n[[c]]\nd = 1\n[[c]]\nd = 2\ne = {f = 1,\tg = 2}")
        #expect(root.line() == nil && root.line(of: "a") == 1 && root.line(of: "none") == nil)
        let a = try #require(try root.table("a"))
        #expect(a.line() == 1 && a.line(of: "b") == 2 && a.line(of: "none") == 1)
        let c = try root.tables("c")
        #expect(c.map { $0.line() } == [4, 6] && c.map { $0.line(of: "d") } == [5, 7])
        #expect(try c[1].table("e")?.line(of: "g") == 8)
        #expect(try root.table("none") == nil && root.tables("none").isEmpty)
    }

    @Test("A value of the wrong type is refused with its line and its type")
    func types() throws {
        let table = try parse(
            """
            string = "s"
            empty = ""
            integer = 5
            bool = true
            fraction = 1.5
            date = 1979-05-27
            strings = ["a",
              "b"]
            mixed = ["a",
              7,
              2.5]
            [table]
            """)
        #expect(try table.string("string") == "s" && table.requiredString("string") == "s" && table.string("none") == nil)
        #expect(try table.integer("integer", in: 1...5) == 5 && table.bool("bool") == true && table.strings("strings") == ["a", "b"])
        func expect(_ line: Int?, _ words: String, _ body: (ConfigurationTable) throws(ConfigurationError) -> Void) {
            let error = failure { () throws(ConfigurationError) in try body(table) }
            #expect(error?.line == line && error?.message.contains(words) == true, "\(String(describing: error))")
        }
        expect(2, "is empty") { (table) throws(ConfigurationError) in _ = try table.string("empty") }
        expect(3, "must be a string, not an integer") { (table) throws(ConfigurationError) in _ = try table.string("integer") }
        expect(3, "must be from 6 to 9") { (table) throws(ConfigurationError) in _ = try table.integer("integer", in: 6...9) }
        expect(5, ", not a fraction") { (table) throws(ConfigurationError) in _ = try table.integer("fraction", in: 1...2) }
        expect(6, ", not a date or time") { (table) throws(ConfigurationError) in _ = try table.string("date") }
        expect(10, "must contain strings, not an integer") { (table) throws(ConfigurationError) in _ = try table.strings("mixed") }
        expect(11, "not a fraction") { (table) throws(ConfigurationError) in _ = try table.names("mixed") }
        expect(12, "must be true or false, not a table") { (table) throws(ConfigurationError) in _ = try table.bool("table") }
        expect(1, "must be a table") { (table) throws(ConfigurationError) in _ = try table.table("string") }
        expect(7, "must be written as [[strings]]") { (table) throws(ConfigurationError) in _ = try table.tables("strings") }
        expect(nil, "\"none\" is missing") { (table) throws(ConfigurationError) in _ = try table.requiredString("none") }
    }

    @Test("A file that is not UTF-8, is too large or cannot be read is refused with the reason")
    func files() {
        let notUTF8 = failure { () throws(ConfigurationError) in _ = try ConfigurationFile.parse([0x23, 0x0A, 0x23, 0xFF], file: "t.toml") }
        #expect(notUTF8?.description == "t.toml:2:2: the text is not UTF-8")
        let missing = failure { () throws(ConfigurationError) in _ = try ConfigurationFile.load("/nonexistent/x.toml") }
        #expect(missing?.line == nil && missing?.message.contains("No such file") == true)
        let large = [UInt8](repeating: 0x0A, count: ConfigurationFile.sizeLimit + 1)
        #expect(failure { () throws(ConfigurationError) in _ = try ConfigurationFile.parse(large, file: "t.toml") } != nil)
    }
}
