import DurableFile
import Issuance

/// The user's programs that are run at certain steps.
enum Hooks {
    /// Longer than any reload; a program that hangs must not hold the certificate's lock forever.
    static let timeout: Duration = .seconds(300)

    /// The environment with which this process was started: it may contain a hook's credentials.
    static var environment: ProgramEnvironment {
        // Sockets that the service manager handed over are for this process alone.
        ProgramEnvironment((try? DurableFile.read("/proc/self/environ", limit: 4 << 20)) ?? []).without(InheritedSockets.variables)
    }

    static func program(_ path: String) -> ExternalProgram { ExternalProgram(path: path, environment: environment, timeout: timeout) }

    /// Refuses hooks that could not be started, before anything is ordered.
    static func check(_ settings: CertificateSettings) throws(Failure) {
        for path in settings.deployHooks ?? [] { try check(path, "deploy") }
        if let path = settings.failureHook { try check(path, "failure") }
    }

    private static func check(_ path: String, _ kind: String) throws(Failure) {
        do throws(ExternalProgramError) { try program(path).check() } catch {
            throw .configuration(
                "the \(kind) hook cannot be used: \(error.description)",
                hint: "--\(kind)-hook names a program that this user may run; --reset-settings forgets the remembered one")
        }
    }
}
