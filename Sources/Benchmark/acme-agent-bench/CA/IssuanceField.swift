/// The common environment of all clients of a comparison: one CA, one webroot, the same trust stores.
final class IssuanceField {
    let ca: BenchCA
    let webroot: WebrootServer
    let trust: TrustStoreFiles
    let workshop: Workshop

    init(_ name: String, refusedNonces: Int = 0, workshop: Workshop) throws {
        self.workshop = workshop
        ca = try BenchCA(folder: "\(workshop.folder)/\(name)", refusedNonces: refusedNonces, workshop: workshop)
        do {
            webroot = try WebrootServer(port: ca.http01Port, folder: "\(workshop.folder)/\(name)-webroot", workshop: workshop)
            trust = try TrustStoreFiles(ca: ca, folder: workshop.folder)
        } catch {
            ca.stop()
            throw error
        }
    }

    func stop() {
        webroot.stop()
        ca.stop()
    }

    /// Runs a client's program. Unless the client was told of its root, the store is mounted at the system's path.
    /// - Parameter isTold: Whether an option or a variable has told the client of the one root.
    func run(
        _ arguments: [String], environment extra: [String: String] = [:], trusting store: TrustStore, isTold: Bool
    ) throws -> MeasuredRun {
        let environment = workshop.environment.merging(extra) { $1 }
        let log = "\(workshop.folder)/\(arguments.first?.split(separator: "/").last ?? "client").log"
        if isTold { return try MeasuredRun(arguments, environment: environment, log: log) }
        return try PrivateMount.with(trust[store], at: TrustStore.systemFile) {
            try MeasuredRun(arguments, environment: environment, log: log)
        }
    }
}
