import CLinux
import Glibc

/// The only program that loads a PKCS#11 module and knows the PIN. Its parent passes socket pairs as descriptors from 3
/// on: the control link, then one link for each signing thread.
public enum Helper {
    /// Runs until the control link ends. `arguments` are those of the process. Leaves by `_exit`, because `exit` would
    /// run the module's destructors under signing threads (SoftHSM #729, #780).
    public static func run(_ arguments: [String]) -> Never {
        // Before there is a secret in memory.
        let hardening = acme_helper_harden()
        guard hardening == 0 else {
            Log.warning("the process cannot be protected: \(SystemError(number: hardening))")
            _exit(ExitCode.system)
        }
        guard arguments.count == 3, arguments[1] == "--links", let links = Int32(arguments[2]), (1...mostLinks).contains(links) else {
            Log.warning("only acme-agentd can start this program")
            _exit(ExitCode.misuse)
        }
        for descriptor in firstDescriptor...(firstDescriptor + links) {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
                Log.warning("descriptor \(descriptor) is not a link to acme-agentd")
                _exit(ExitCode.misuse)
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            // The parent may have made both ends non-blocking.
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        }
        let keeper = TokenKeeper()
        for link in 1...links {
            guard SigningThread.start(descriptor: firstDescriptor + link, keeper: keeper) else {
                Log.warning("a signing thread cannot be started")
                _exit(ExitCode.system)
            }
        }
        ControlLink(keeper: keeper).run(descriptor: firstDescriptor)
        _exit(ExitCode.success)
    }

    private static let firstDescriptor: Int32 = 3
    /// More links than tokens have sessions.
    private static let mostLinks: Int32 = 256
}
