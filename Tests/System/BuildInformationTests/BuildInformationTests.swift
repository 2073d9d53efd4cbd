import Foundation
import Testing

@testable import BuildInformation

/// What a release build knows of itself, and what any other says.
@Suite struct BuildInformationTests {
    private func object(_ information: BuildInformation, program: String = "acme-agent") throws -> [String: Any] {
        let line = information.json(program: program)
        #expect(!line.contains("\n"))
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test func aReleaseNamesItsCommitCompilerAndDependencies() throws {
        let object = try object(
            BuildInformation(
                commit: "0123456789abcdef0123456789abcdef01234567-modified", date: "2026-01-02T03:04:05Z", compiler: "swift-6.3.1-RELEASE",
                dependencies: BuildInformation.dependencies("swift-asn1=1.7.4,swift-nio=2.101.2")))
        #expect(object["program"] as? String == "acme-agent")
        #expect(object["version"] as? String == BuildInformation.version)
        #expect(object["commit"] as? String == "0123456789abcdef0123456789abcdef01234567-modified")
        #expect(object["date"] as? String == "2026-01-02T03:04:05Z")
        #expect(object["compiler"] as? String == "swift-6.3.1-RELEASE")
        #expect(object["dependencies"] as? [String: String] == ["swift-asn1": "1.7.4", "swift-nio": "2.101.2"])
    }

    /// Members are always there, so that a reader need not ask.
    @Test func whatIsNotKnownIsNull() throws {
        let object = try object(BuildInformation(commit: nil, date: nil, compiler: nil, dependencies: nil))
        #expect(Set(object.keys) == ["program", "version", "commit", "date", "compiler", "dependencies"])
        for name in ["commit", "date", "compiler", "dependencies"] { #expect(object[name] is NSNull, "\(name)") }
    }

    @Test func anyTextIsAString() throws {
        let odd = "a\"b\\c\n\u{1}\u{7F}é"
        #expect(
            try object(BuildInformation(commit: odd, date: nil, compiler: nil, dependencies: nil), program: odd)["commit"] as? String == odd
        )
    }

    @Test(arguments: [["--version", "--json"], ["--json", "--version"]]) func isWantedInEitherOrder(_ words: [String]) {
        #expect(BuildInformation.isWanted(by: words))
    }

    @Test(arguments: [[], ["--version"], ["--json"], ["--json", "--json"], ["--version", "--json", "list"]])
    func otherWordsWantSomethingElse(_ words: [String]) {
        #expect(!BuildInformation.isWanted(by: words))
    }
}
