import Foundation
import Testing
import Varlink

@testable import VarlinkExample

/// The service and the client of the library's documentation.
@Suite struct GreeterTests {
    @Test func theExampleGreets() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/greeter-\(UUID().uuidString.prefix(8)).sock"
        defer { unlink(path) }
        let address = try #require(VarlinkAddress(path: path))
        try await serveGreetings(at: address)
        #expect(try await greeting(for: "\"World\"", at: address) == "Hello, \"World\", of uid \(geteuid())")
    }
}
