import Measurement
import Testing

@Suite struct CallgrindProfileTests {
    private let text = """
        version: 1
        events: Ir
        ob=(1) /usr/lib/libc.so.6
        fn=(10) malloc
        0 5
        ob=(2) /tmp/daemon
        fn=(11) $s4main
        0 3
        cob=(1)
        cfn=(10)
        calls=2 0
        0 40
        cfn=(12) $s3two'2
        calls=1 0
        0 4

        fn=(12)
        0 4
        fn=(11)
        0 1
        """

    @Test func functionsOfAProgramAreNamedOnceAndInOrder() {
        let profile = CallgrindProfile(text)
        #expect(profile.names(in: "/tmp/daemon") == ["$s4main", "$s3two"])
        #expect(profile.names(in: "/usr/lib/libc.so.6") == ["malloc"])
        #expect(profile.names(in: "/tmp/other").isEmpty)
    }

    @Test func whatIsNoProfileHasNoFunctions() {
        #expect(CallgrindProfile("").functions.isEmpty)
        #expect(CallgrindProfile("fn\n=(\nob=(1\n").functions.isEmpty)
    }
}
