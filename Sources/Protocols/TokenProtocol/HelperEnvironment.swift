extension TokenConfiguration {
    /// Why a variable must not be in `environment`; `nil` if it may.
    ///
    /// Modules need variables of their own, and those of the libraries they load. But nobody checks what the dynamic
    /// loader or the C library loads because of one, so these are refused: what ld.so(8) and the C library take from a
    /// program in secure-execution mode, and every other `LD_…`.
    public static func refusal(ofVariable name: String) -> String? {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first), name.utf8.allSatisfy(isPartOfName) else {
            return "is not the name of an environment variable"
        }
        guard name.hasPrefix("LD_") || removed.contains(name) else { return nil }
        return "decides what the C library or its dynamic loader loads, reads or writes in the helper, and must not be set"
    }

    /// Letters, digits and underscores: an `=` would begin another variable's value.
    private static func isPartOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }

    /// Those of ld.so(8), "Secure-execution mode", that do not begin with `LD_`. The daemon sets GLIBC_TUNABLES itself
    /// (Docs/decisions/0017-allocator-of-the-helper.md).
    private static let removed: Set<String> = [
        "GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "MALLOC_TRACE",
        "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TMPDIR", "TZDIR",
    ]
}
