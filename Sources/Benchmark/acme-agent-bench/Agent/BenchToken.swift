import Glibc

/// The benchmark's own SoftHSM token, made by `softhsm/token-up`.
struct BenchToken {
    let folder: String
    let label = "bench"
    let pin = "1234"

    /// - Parameter folder: where it is made; new or empty.
    init(folder: String, workshop: Workshop) throws {
        self.folder = folder
        let made = try ChildProcess(
            ["softhsm/token-up", folder, label, pin], environment: workshop.environment, log: workshop.folder + "/token-up.log")
        guard try made.wait().status == 0 else { throw BenchError("softhsm/token-up: \(made.lastWords)") }
    }

    var uri: String { "pkcs11:token=\(label)" }
    var pinFile: String { "\(folder)/\(label).pin" }
    /// What SoftHSM reads.
    var environment: [String: String] { ["SOFTHSM2_CONF": folder + "/softhsm2.conf"] }

    static func module() throws -> String {
        let places = ["/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm", "/usr/lib64/softhsm"]
        guard let found = places.map({ $0 + "/libsofthsm2.so" }).first(where: { Files.exists($0) }) else {
            throw BenchError("libsofthsm2.so was not found in \(places.joined(separator: ", "))")
        }
        return found
    }
}
