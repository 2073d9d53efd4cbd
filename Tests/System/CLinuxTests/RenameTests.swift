import CLinux
import Foundation
import Testing

@Suite struct RenameTests {
    @Test func aNameThatIsTakenIsNotReplaced() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/rename-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["a", "b"] { try name.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8) }
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        #expect(clinux_rename_to_free_name(descriptor, "a", "b") == EEXIST)
        #expect(try String(contentsOfFile: folder + "/b", encoding: .utf8) == "b")
        #expect(clinux_rename_to_free_name(descriptor, "a", "c") == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["b", "c"])
        #expect(clinux_rename_to_free_name(descriptor, "a", "d") == ENOENT)
    }
}
