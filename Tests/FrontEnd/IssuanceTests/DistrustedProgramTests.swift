import ACME
import Foundation
import TestSupport
import Testing

@testable import Issuance

/// Whoever can change a hook would act as the user who renews: such a hook is not run.
@Suite struct DistrustedProgramTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("bin"), withIntermediateDirectories: false)
        path = try folder.write("bin/hook", "#!/bin/sh\n: >'\(folder.file("ran"))'\n", mode: 0o755)
        chmod(folder.file("bin"), 0o755)
    }

    private func program(_ path: String) -> ExternalProgram {
        ExternalProgram(path: path, environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(20))
    }

    private var hasRun: Bool { FileManager.default.fileExists(atPath: folder.file("ran")) }

    /// Refuses it twice: before an order, and when it should run.
    private func expectRefusal(_ path: String, says words: String, mend: String?, _ place: String = #function) async {
        let checked = #expect(throws: ExternalProgramError.self, "\(place)") { try program(path).check() }
        let run = await #expect(throws: ExternalProgramError.self, "\(place)") { try await program(path).run([]) }
        for error in [checked, run] {
            #expect(error?.description.contains(words) == true && error?.mend == mend, "\(String(describing: error))")
        }
        #expect(!hasRun)
    }

    @Test(arguments: [0o775, 0o757, 0o777]) func whatOthersMayWriteIsNotRun(mode: mode_t) async throws {
        chmod(path, mode)
        await expectRefusal(path, says: "is not run: it can be written by users other than its owner", mend: "chmod go-w \(path)")
        chmod(path, 0o755)
        chmod(folder.file("bin"), mode)
        let bin = folder.file("bin")
        await expectRefusal(path, says: "is not run: \(bin) can be written by users other than its owner", mend: "chmod go-w \(bin)")
    }

    /// By the link, too.
    @Test func theWholeWayIsLookedAt() async throws {
        let link = folder.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        try await program(link).run([])
        #expect(hasRun)
        try FileManager.default.removeItem(atPath: folder.file("ran"))
        chmod(folder.file("bin"), 0o777)
        await expectRefusal(link, says: "bin can be written by users other than its owner", mend: "chmod go-w \(folder.file("bin"))")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func anotherUsersProgramIsNotRun() async throws {
        try #require(chown(path, 41_001, 41_001) == 0)
        await expectRefusal(path, says: "is not run: it belongs to another user (uid 41001)", mend: "chown root \(path)")
    }

    /// In a sticky folder of root's, such as /tmp, only its owner can replace a file.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whatNobodyElseCanChangeRuns() async throws {
        chmod(folder.file("bin"), 0o1777)
        chmod(path, 0o711)
        try program(path).check()
        try await program(path).run([])
        #expect(hasRun)
    }

    @Test func aDNSHookIsRefusedBeforeAnythingIsOrdered() throws {
        chmod(path, 0o777)
        let error = #expect(throws: IssuanceError.self) { try DNS01Hook(program: program(path)).check() }
        #expect(error?.description.contains("the DNS hook cannot be used: \(path) is not run") == true)
        #expect(error?.description.contains("(chmod go-w \(path))") == true)
    }
}
