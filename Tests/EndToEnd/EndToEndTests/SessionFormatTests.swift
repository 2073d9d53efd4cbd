import Testing

/// How a session's file is read, and what its wildcards stand for.
@Suite struct SessionFormatTests {
    private func said(_ text: String) throws -> Session.Said {
        guard case .command(let command)? = try Session("$ x\n" + text).elements.first else { return Session.Said() }
        return command.expected
    }

    @Test func aFileIsWhatItWas() throws {
        let text = "# Why.\n\n$ acme-agent list\n| a\n|\n! b\n? 3\n\n$ true\n$ false\n? 1\n"
        let session = try Session(text)
        #expect(session.text == text)
        guard case .command(let command) = session.elements[2] else { throw Session.Mistake(description: "no command") }
        #expect(command.text == "acme-agent list" && command.line == 3)
        #expect(command.expected.output == ["a", ""] && command.expected.error == ["b"] && command.expected.status == 3)
    }

    @Test(arguments: ["| x", "$ x\nx", "$ x\n? y", "! x\n", "$ x\n\n| x"]) func whatIsNoSessionIsRefused(text: String) {
        #expect(throws: Session.Mistake.self) { try Session(text) }
    }

    @Test(arguments: [
        ("| a", "| a", true), ("| a", "| b", false), ("| a", "! a", false), ("| a", "| a\n| b", false), ("", "| a", false),
        ("| a\n| b", "| b\n| a", false), ("! a\n! b", "! b\n! a", true), ("! a\n! a", "! a\n! b", false), ("! a", "! a\n! b", false),
        ("! b\n! ...", "! a\n! b", true),
        ("| a\n? 1", "| a", false), ("| a [..] c", "| a b b c", true), ("| a [..] c", "| a b", false), ("| [..]a[..]", "| bab", true),
        ("| [..]a[..]b", "| ba", false), ("| ab[..]b", "| ab", false), ("| ...", "", true), ("| a\n| ...\n| d", "| a\n| b\n| c\n| d", true),
        ("| ...\n| d", "| a\n| c", false), ("| [HOME]/x", "| /home/x", true),
    ]) func wildcardsStandForWhatVaries(expected: String, actual: String, fits: Bool) throws {
        #expect(try said(expected).fits(said(actual), names: [("[HOME]", "/home")]) == fits)
    }

    @Test func whatVariesIsGeneralised() throws {
        let now = try said("| until 2026-02-01 10:00 UTC in /home/x, 0.75 s, 00112233445566778899\n! https://localhost:14000/order/1")
            .generalised(
                names: [("[HOME]", "/home")])
        #expect(now.output == ["until [..] in [HOME]/x, [..] s, [..]"] && now.error == ["https://localhost:[..]"])
    }
}
