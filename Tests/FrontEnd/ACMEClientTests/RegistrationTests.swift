import ACME
import ACMEClient
import TestSupport
import Testing

@testable import ACMEClientExample

/// The client of the library's documentation, at a real CA.
@Suite struct RegistrationTests {
    @Test(.enabled(if: PebbleFixture.isAvailable, "needs Pebble")) func theExampleRegistersAndOrders() async throws {
        let pebble = try await PebbleFixture()
        let made = try await order(["www.example.org"], at: pebble.directory.text, trusting: .file(pebble.caCertificate))
        #expect(made.value.status == .pending && made.value.authorizations.count == 1)
        #expect(made.url.origin == pebble.directory.origin)
        pebble.stop()
    }
}
