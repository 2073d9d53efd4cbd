import Foundation
import Testing
import TokenHelper
import TokenProtocol
import TokenTestSupport

@Suite struct HelperTrustTests {
    private func kind(_ reply: HelperReply) -> TokenFailure.Kind? {
        if case .failure(let failure) = reply { failure.kind } else { nil }
    }

    private func hello(_ fixture: HelperFixture, _ module: String) throws -> TokenFailure.Kind? {
        // A helper loads one module in its lifetime.
        let helper = try HelperProcess()
        return kind(try helper.hello(fixture, module: module))
    }

    @Test func onlyAModuleThatNobodyElseCanReplaceIsLoaded() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        let folder = fixture.folder + "/module"
        #expect(try hello(fixture, module) == nil)

        // The file, its folder, and the path through a link.
        chmod(module, 0o775)
        #expect(try hello(fixture, module) == .moduleUntrusted)
        chmod(module, 0o755)
        chmod(folder, 0o777)
        #expect(try hello(fixture, module) == .moduleUntrusted)
        chmod(folder, 0o1777)
        // Sticky is enough for a folder that belongs to root.
        #expect(try hello(fixture, module) == (geteuid() == 0 ? nil : .moduleUntrusted))
        chmod(folder, 0o700)

        let open = fixture.folder + "/open"
        try FileManager.default.createDirectory(atPath: open, withIntermediateDirectories: false)
        chmod(open, 0o777)
        try FileManager.default.createSymbolicLink(atPath: open + "/link.so", withDestinationPath: module)
        try FileManager.default.createSymbolicLink(atPath: fixture.folder + "/first.so", withDestinationPath: "open/link.so")
        #expect(try hello(fixture, fixture.folder + "/first.so") == .moduleUntrusted)
        #expect(try hello(fixture, open + "/../module/fault-module.so") == .moduleUntrusted)

        try FileManager.default.createSymbolicLink(atPath: fixture.folder + "/good.so", withDestinationPath: "module/fault-module.so")
        #expect(try hello(fixture, fixture.folder + "/good.so") == nil)
        try FileManager.default.createSymbolicLink(atPath: fixture.folder + "/loop.so", withDestinationPath: "loop.so")
        #expect(try hello(fixture, fixture.folder + "/loop.so") == .moduleUntrusted)
    }

    /// The person who must repair it reads this.
    @Test func aModuleOrPINFileThatIsNotThereIsSaidToBeMissing() throws {
        let fixture = try HelperFixture()
        guard case .failure(let module) = try HelperProcess().hello(fixture, module: fixture.folder + "/none.so") else {
            Issue.record("a module that is not there was loaded")
            return
        }
        #expect(module.message == "the module \"\(fixture.folder)/none.so\" cannot be loaded: No such file or directory")
        #expect(module.hint?.contains("\"module\" in the agent's configuration") == true)
        try FileManager.default.removeItem(atPath: fixture.pinFile)
        guard case .failure(let pin) = try HelperProcess().hello(fixture) else {
            Issue.record("a token was opened without its PIN")
            return
        }
        #expect(pin.message == "the PIN file \"\(fixture.pinFile)\" does not exist")
        #expect(pin.hint?.contains("pin-source") == true)
    }

    @Test func aPathThatIsNoModuleIsRefused() throws {
        let fixture = try HelperFixture()
        #expect(try hello(fixture, "libsofthsm2.so") == .moduleUntrusted)
        #expect(try hello(fixture, "./libsofthsm2.so") == .moduleUntrusted)
        #expect(try hello(fixture, "") == .moduleUntrusted)
        #expect(try hello(fixture, fixture.folder) == .moduleUntrusted)
        #expect(try hello(fixture, fixture.folder + "/none.so") == .moduleNotLoaded)
        #expect(try hello(fixture, fixture.pinFile) == .moduleNotLoaded)
        #expect(try hello(fixture, "/bin/true") == .moduleNotLoaded)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func somebodyElsesModuleIsRefused() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        #expect(chown(module, 12345, 12345) == 0)
        #expect(try hello(fixture, module) == .moduleUntrusted)
        #expect(chown(module, 0, 0) == 0)
        #expect(chown(fixture.pinFile, 12345, 12345) == 0)
        #expect(try hello(fixture, module) == .pinUnavailable)
    }
}
