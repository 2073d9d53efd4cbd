import ACME
import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import Issuance

@Suite struct HTTP01WebrootTests {
    @Test func aFileIsThereAndGoneAgain() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path + "/")
        try await webroot.prepare()
        let shown = try webroot.answer()
        try await webroot.present(shown)
        let path = root.file(".well-known/acme-challenge/dG9rZW4")
        #expect(shown.target == path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "dG9rZW4.thumb")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o644)
        // Another process, after a crash.
        try await HTTP01Webroot(root: root.path).cleanUp(shown)
        #expect(!FileTests.exists(path))
        try await webroot.cleanUp(shown)
        await webroot.finish()
        #expect(!FileTests.exists(root.file(".well-known")))
    }

    /// As long as a file name may be.
    @Test(arguments: [250, 251, 255]) func aLongTokenIsShown(_ length: Int) async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        let shown = try webroot.answer(token: String(repeating: "a", count: length))
        try await webroot.present(shown)
        #expect(FileTests.exists(shown.target))
        try await webroot.cleanUp(shown)
        await webroot.finish()
        #expect(!FileTests.exists(root.file(".well-known")))
    }

    /// In a separate process: the umask belongs to the whole process.
    @Test func theWebServerMayReadWhateverTheUmaskIs() async throws {
        await #expect(processExitsWith: .success) {
            umask(0o077)
            let root = try TemporaryFolder()
            let webroot = HTTP01Webroot(root: root.path)
            try await webroot.prepare()
            try await webroot.present(try webroot.answer())
            for (path, mode) in [
                (".well-known", 0o755), (".well-known/acme-challenge", 0o755), (".well-known/acme-challenge/dG9rZW4", 0o644),
            ] {
                let found = try FileManager.default.attributesOfItem(atPath: root.file(path))[.posixPermissions] as? Int
                #expect(found == mode, "\(path)")
            }
        }
    }

    @Test func whatIsNotOursStays() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        let shown = try webroot.answer()
        let path = shown.target
        try "mine".write(toFile: path, atomically: true, encoding: .utf8)
        try await webroot.cleanUp(shown)
        #expect(FileTests.exists(path))
        await webroot.finish()
        #expect(FileTests.exists(path))
        // A target from a damaged journal leads nowhere.
        let victim = try root.write("victim", "dG9rZW4.thumb")
        for target in [victim, "/etc/passwd", "", "victim", root.path + "/.well-known/acme-challenge/../../victim"] {
            try await webroot.cleanUp(
                ChallengeAnswer(type: .http01, identifier: shown.identifier, keyAuthorization: shown.keyAuthorization, target: target))
        }
        #expect(FileTests.exists(victim))
    }

    @Test func aLinkIsNotFollowed() async throws {
        let root = try TemporaryFolder()
        let elsewhere = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: root.file(".well-known"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: root.file(".well-known/acme-challenge"), withDestinationPath: elsewhere.path)
        await #expect(throws: IssuanceError.self) { try await HTTP01Webroot(root: root.path).prepare() }

        let other = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: other.path)
        try await webroot.prepare()
        let victim = try elsewhere.write("victim", "precious")
        for name in ["dG9rZW4", ".dG9rZW4.new"] {
            try FileManager.default.createSymbolicLink(
                atPath: other.file(".well-known/acme-challenge/\(name)"), withDestinationPath: victim)
        }
        try await webroot.present(try webroot.answer())
        #expect(try elsewhere.read("victim") == "precious")
        #expect(try other.read(".well-known/acme-challenge/dG9rZW4") == "dG9rZW4.thumb")
    }

    @Test func aTokenThatIsAPathIsRefused() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        for token in ["../x", "a/b", "", ".", "a b", "a\u{0}b"] {
            await #expect(throws: IssuanceError.self) { try await webroot.present(try webroot.answer(token: token)) }
        }
    }

    @Test func aMissingFolderIsExplained() async throws {
        await #expect { try await HTTP01Webroot(root: "/nonexistent/www").prepare() } throws: { error in
            "\(error)".contains("the webroot /nonexistent/www cannot be used: No such file or directory")
        }
    }

    @Test func itIsSeenWhenTheFileWasRead() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        let shown = try webroot.answer()
        try await webroot.present(shown)
        _ = try String(contentsOfFile: shown.target, encoding: .utf8)
        #expect(await webroot.waitForValidation(of: [shown], quiet: .milliseconds(12), limit: .seconds(20)))
        #expect(
            await !webroot.waitForValidation(of: [try webroot.answer(token: "b3RoZXI")], quiet: .milliseconds(12), limit: .milliseconds(50))
        )
        await webroot.finish()
    }
}
