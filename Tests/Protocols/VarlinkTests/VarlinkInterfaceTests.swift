import Testing
import Varlink

@Suite struct VarlinkInterfaceTests {
    @Test func readsEverything() throws {
        let text = """
            # Signs.
            #   And more.
            interface org.example.agent-1

            # Left alone by an empty line.

            # A state.
            type State (on, off_for_now)
            type Key(
              # Its name.
              name: string, # not the next one's
              state: State,
              parts: ?[](a: int, b: [string]?[]bool),
              set: [string](), any: any, raw: object, weight: float
            )
            method List () -> (keys: []Key) # behind

            # Ends.
            # Really.
            method End(key:?Key)->()
            error Gone(name: string)
            error Nothing ()
            """
        let interface = try VarlinkInterface(parsing: text)
        #expect(interface.name == "org.example.agent-1")
        #expect(interface.documentation == "Signs.\n  And more.")
        #expect(interface.text == text)
        #expect(interface.types.map(\.name) == ["State", "Key"])
        #expect(interface.type(named: "State")?.type == .enumeration(["on", "off_for_now"]))
        #expect(interface.type(named: "State")?.documentation == "A state.")
        #expect(interface.methods.map(\.name) == ["List", "End"])
        #expect(interface.method(named: "End")?.documentation == "Ends.\nReally.")
        #expect(interface.method(named: "End")?.parameters.map(\.type) == [.nullable(.named("Key"))])
        #expect(interface.method(named: "List")?.reply.map(\.type) == [.array(.named("Key"))])
        #expect(interface.error(named: "Gone")?.parameters.map(\.name) == ["name"])
        #expect(interface.error(named: "Nothing")?.parameters == [])
        #expect(interface.method(named: "Gone") == nil)
        guard case .structure(let fields) = interface.type(named: "Key")?.type else {
            Issue.record("Key is no structure")
            return
        }
        #expect(fields.map(\.name) == ["name", "state", "parts", "set", "any", "raw", "weight"])
        #expect(fields.first?.documentation == "Its name.")
        #expect(fields[3].type == .dictionary(.structure([])))
        guard case .nullable(.array(.structure(let parts))) = fields[2].type else {
            Issue.record("parts has another type")
            return
        }
        #expect(parts.map(\.type) == [.int, .dictionary(.nullable(.array(.bool)))])
    }

    @Test func theServiceInterface() {
        let service = VarlinkInterface.service
        #expect(service.name == "org.varlink.service")
        #expect(service.methods.map(\.name) == ["GetInfo", "GetInterfaceDescription"])
        #expect(
            service.errors.map(\.name) == [
                "InterfaceNotFound", "MethodNotFound", "MethodNotImplemented", "InvalidParameter", "PermissionDenied", "ExpectedMore",
            ])
    }

    @Test(arguments: [
        ("", 1, 1, "\"interface\" is expected, the text ends"),
        ("interface", 1, 10, "an interface's name is expected, the text ends"),
        ("interface x", 1, 11, "an interface's name is expected"),
        ("interface a.b\nfoo", 2, 1, "\"type\", \"method\" or \"error\" is expected"),
        ("interface a.b\n\ntype t (a: int)", 3, 6, "a name that begins with a capital is expected"),
        ("interface a.b\nmethod T(a: int)", 2, 17, "\"->\" is expected, the text ends"),
        ("interface a.b\nmethod T(a int) -> ()", 2, 12, "\")\" is expected"),
        ("interface a.b\nmethod T(a: intx) -> ()", 2, 13, "a type is expected"),
        ("interface a.b\nmethod T(a, b) -> ()", 2, 9, "fields are expected, each with its type"),
        ("interface a.b\nmethod T(a: int, b) -> ()", 2, 19, "a type is expected"),
        ("interface a.b\ntype T(a, b: int)", 2, 12, "an enumeration's values have no type"),
        ("interface a.b\nmethod T(a: int, a: int) -> ()", 2, 18, "a occurs twice"),
        ("interface a.b\nmethod T(a__b: int) -> ()", 2, 10, "a field's name is expected"),
        ("interface a.b\nmethod T(a: ??int) -> ()", 2, 14, "a type can be nullable only once"),
        ("interface a.b\nmethod T(a: Missing) -> ()\ntype X ()", 2, 13, "there is no type Missing"),
        ("interface a.b\ntype T ()\nerror T ()", 3, 7, "T is described twice"),
        ("interface a.b\ntype T int", 2, 8, "\"(\" is expected"),
        ("interface a.b\ntype T (a: int,)", 2, 16, "a field's name is expected"),
        ("interface a.b\ntype T (a: [int]string)", 2, 12, "a type is expected"),
    ])
    func saysWhereTheFaultIs(_ text: String, _ line: Int, _ column: Int, _ message: String) {
        do throws(VarlinkInterfaceError) {
            _ = try VarlinkInterface(parsing: text)
            Issue.record("read: \(text)")
        } catch {
            #expect(error.line == line)
            #expect(error.message == message)
            #expect(error.column == column)
        }
    }

    @Test func depthIsBounded() {
        let deep = "interface a.b\ntype T (a: \(String(repeating: "[]", count: 100_000))int)"
        #expect(throws: VarlinkInterfaceError.self) { try VarlinkInterface(parsing: deep) }
        let structures = "interface a.b\ntype T \(String(repeating: "(a: ", count: 100_000))"
        #expect(throws: VarlinkInterfaceError.self) { try VarlinkInterface(parsing: structures) }
    }
}
