import CLinux
import Foundation
import Testing

/// Starting a program: what it has open, and which signals it ignores.
@Suite struct SpawnTests {
    private func spawn(_ script: String, _ descriptors: [Int32]) throws -> Int32 {
        let words = ["sh", "-c", script]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/bin:/bin"), nil]
        defer { for text in arguments + environment { free(text) } }
        var process: pid_t = 0
        try #require(clinux_spawn("/bin/sh", &arguments, &environment, descriptors, Int32(descriptors.count), &process) == 0)
        var status: Int32 = 0
        try #require(waitpid(process, &status, 0) == process)
        return status
    }

    private func text(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }

    @Test func descriptorsStandWhereTheyAreSaidToAndNothingElseIsOpen() throws {
        var pair: [Int32] = [-1, -1]
        try #require(clinux_socketpair(&pair) == 0)
        // One that a careless program would pass on.
        let other = open("/dev/null", O_RDONLY)
        defer { for descriptor in pair + [other] { close(descriptor) } }
        let status = try spawn("ls /proc/self/fd | tr '\\n' ' ' >&4; readlink /proc/self/fd/0 >&3", [pair[1], pair[1]])
        #expect(status == 0)
        // ls itself has the folder that it lists open.
        #expect(text(pair[0]) == "0 1 2 3 4 5 /dev/null\n")
    }

    @Test func signalsAreAtTheirDefaults() throws {
        var pair: [Int32] = [-1, -1]
        try #require(clinux_socketpair(&pair) == 0)
        defer { for descriptor in pair { close(descriptor) } }
        let before = signal(SIGUSR2, SIG_IGN)
        defer { signal(SIGUSR2, before) }
        #expect(try spawn("kill -USR2 $$; echo ignored >&3", [pair[1]]) & 0x7F == SIGUSR2)
    }

    @Test func whatIsNoProgramIsAnError() {
        var none: [UnsafeMutablePointer<CChar>?] = [nil]
        var process: pid_t = 0
        #expect(clinux_spawn("/nonexistent", &none, &none, [], 0, &process) == ENOENT)
        #expect(clinux_spawn("/bin/true", &none, &none, [], -1, &process) == EINVAL)
    }
}

@Suite struct KernelCallTests {
    @Test func aPipeAndAFileInMemoryAreClosedOnExecution() {
        var ends: [Int32] = [-1, -1]
        #expect(clinux_pipe(&ends) == 0)
        // The writer is a program that may not know EAGAIN.
        #expect(fcntl(ends[0], F_GETFL) & O_NONBLOCK != 0 && fcntl(ends[1], F_GETFL) & O_NONBLOCK == 0)
        let memory = clinux_memory_file("test")
        for descriptor in ends + [memory] {
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
            close(descriptor)
        }
    }
}
