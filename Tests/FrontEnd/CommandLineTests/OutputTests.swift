import Foundation
import Testing

@testable import acme_agent

/// Files, terminals and arguments as a shell gives them.
@Suite struct OutputTests {
    @Test func whatAPersonNamesIsWrittenInto() async throws {
        let session = try CommandLineSession()
        let pem = try await session.install("www.example.org").chain.fullChainPEM
        func content(_ name: String) -> [UInt8] { FileManager.default.contents(atPath: session.folder.file(name)).map(Array.init) ?? [] }
        try session.folder.write("old", "old")
        let script = """
            show="acme-agent show www.example.org --format pem --out"
            $show new && $show old || exit
            ln -s far/target link; ln -s link chain; mkdir far; ln -s far/nowhere hanging
            $show chain && $show hanging && test -L chain && test -L link && test -L hanging || exit
            mkfifo fifo; cat fifo >got & $show fifo && wait && test -p fifo || exit
            """
        let outcome = try await session.run(script)
        #expect(outcome.status == 0, "\(outcome)")
        for name in ["new", "old", "far/target", "far/nowhere", "got"] { #expect(content(name) == pem, "\(name)") }
        let folder = try await session.run("acme-agent show www.example.org --out far")
        #expect(folder.status == 1 && folder.error.contains("far") && folder.error.contains("Is a directory"), "\(folder)")
        let lost = try await session.run("acme-agent show www.example.org --out no/where")
        #expect(lost.status == 1 && lost.error.contains("no/where"), "\(lost)")
    }

    /// Output starts at a descriptor's current position: earlier contents are neither lost nor overwritten.
    @Test(arguments: [
        ("--out /dev/stdout", ">x"), ("--out -", ">x"), ("--out /proc/self/fd/1", ">x"), ("--out /dev/fd/1", ">x"),
        ("--out link", ">x"), ("--out /dev/fd/5", "5>x >&5"), ("--out /dev/stderr", "2>x >&2"), ("--out /dev/stderr", "2>x"),
        ("--out /dev/stdout", "| cat >x"), ("--out /dev/fd/5", "5>x"),
    ]) func aDescriptorIsWrittenWhereItStands(out: String, end: String) async throws {
        let session = try CommandLineSession()
        let der = try await session.install("www.example.org").chain.leafDER
        let show = "acme-agent show www.example.org --format der \(out)"
        let outcome = try await session.run(
            """
            ln -s /dev/stdout link; \(show) \(end) || exit; mv x new
            printf before >x; \(show) \(end.replacing(">x", with: ">>x"))
            """)
        #expect(outcome.status == 0, "\(outcome)")
        func content(_ name: String) -> [UInt8] { FileManager.default.contents(atPath: session.folder.file(name)).map(Array.init) ?? [] }
        #expect(content("new") == der, "\(outcome)")
        #expect(content("x") == Array("before".utf8) + der, "\(outcome)")
    }

    @Test func whatIsWrittenToStandardOutputIsNoJSON() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let both = try await session.run("acme-agent show www.example.org --format pem --out - --json")
        #expect(both.status == 64 && both.error.contains("cannot be combined"), "\(both)")
        let terminal = try await session.runOnTerminal("acme-agent show www.example.org --format der --out /dev/stdout; echo status $?")
        #expect(terminal.output.contains("status 64"), "\(terminal)")
    }

    @Test(.enabled(if: geteuid() == 0)) func aDeviceStaysADevice() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            "mknod null c 1 3 || exit 77; acme-agent show www.example.org --format der --out null && test -c null")
        #expect([0, 77].contains(outcome.status), "\(outcome)")
    }

    @Test(arguments: [
        "list", "list --json", "show www.example.org", "show www.example.org --json", "show www.example.org --format der",
        "renew www.example.org", "--help", "--version", "--generate-completion-script bash",
    ])
    func anErrorOfStandardOutputIsAnError(line: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        for end in [">/dev/full", ">&-"] {
            let outcome = try await session.run("acme-agent \(line) \(end)")
            #expect(outcome.status == 1, "\(end) \(outcome)")
            #expect(outcome.error.contains("standard output"), "\(end) \(outcome)")
        }
        let head = try await session.run("{ acme-agent \(line); echo $? >status; } | true; cat status")
        #expect(head.output == "0\n" && head.error.isEmpty, "\(head)")
    }

    @Test func jsonHasNoControlCharacter() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            "mv state \"$(printf 'st\\302\\233ate\\342\\200\\256')\" && acme-agent --state-directory st* list --json")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control }, "\(outcome)")
        #expect(outcome.output.contains("st\\u009bate\\u202e/certificates"), "\(outcome)")
    }

    @Test func whatIsNotUTF8IsRefusedAndNotChanged() async throws {
        let session = try CommandLineSession()
        for line in [
            "acme-agent --state-directory \"$(printf 'a\\377')\" list", "acme-agent show \"$(printf 'a\\377')\"",
            "acme-agent issue -d \"$(printf 'b\\303.example')\"",
        ] {
            let outcome = try await session.run(line)
            #expect(outcome.status == 64 && outcome.error.contains("is not valid UTF-8"), "\(outcome)")
        }
        let environment = try await session.run("ACME_AGENT_CONFIG=\"$(printf '/tmp/\\377')\" acme-agent list")
        #expect(environment.status == 78 && environment.error.contains("ACME_AGENT_CONFIG is not valid UTF-8"), "\(environment)")
        let folder = try await session.run(
            "d=\"$(printf 'w\\377')\"; mkdir \"$d\"; cd \"$d\" && acme-agent issue -d www.example.org --webroot here --directory https://localhost:1/"
        )
        #expect(folder.status == 64 && folder.error.contains("working folder"), "\(folder)")
    }
}
