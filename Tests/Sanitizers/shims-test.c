/* Calls every function of CLinux and CPKCS11, with the inputs at which their buffers end. Compiled with the sanitizers
   by run, which ends it at the first fault and reports what is not freed. As root it also becomes other users. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CLinux.h"
#include "CPKCS11.h"
#include "check.h"

static void sha256(const uint8_t *salt, size_t salt_length, const uint8_t *rest, size_t length, uint8_t digest[32]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(context, salt, salt_length) == 1 && EVP_DigestUpdate(context, rest, length) == 1);
    CHECK(EVP_DigestFinal_ex(context, digest, NULL) == 1);
    EVP_MD_CTX_free(context);
}

/* libcrypto computes the same, for every length about the hash's blocks. */
static void check_pin_tag(void) {
    for (size_t salt_length = 0; salt_length <= 32; salt_length += 16) {
        for (size_t length = 0; length <= 200; length++) {
            /* Of exactly this size, so that a byte too many is seen. */
            uint8_t *salt = malloc(salt_length), *pin = malloc(length), tag[2], digest[32];
            for (size_t i = 0; i < salt_length; i++) salt[i] = (uint8_t)(i * 7);
            for (size_t i = 0; i < length; i++) pin[i] = (uint8_t)('0' + i % 10);
            uint32_t iterations = (uint32_t)(length % 3);
            sha256(salt, salt_length, pin, length, digest);
            for (uint32_t i = 0; i < iterations; i++) {
                uint8_t previous[32];
                memcpy(previous, digest, sizeof previous);
                sha256(salt, salt_length, previous, sizeof previous, digest);
            }
            cpkcs11_pin_tag(salt, salt_length, pin, length, iterations, tag);
            CHECK(memcmp(tag, digest, sizeof tag) == 0);
            free(salt);
            free(pin);
        }
    }
}

static void check_datagrams(const char *folder) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[256], bytes[16];
    CHECK(clinux_send_datagram("", "x", 1, false) == EINVAL);
    CHECK(clinux_send_datagram("relative", "x", 1, false) == EINVAL);
    memset(path, 'a', sizeof path);
    path[0] = '/';
    for (size_t length = 100; length < 120; length++) {
        char *exact = strndup(path, length);
        int expected = length < sizeof address.sun_path ? ENOENT : EINVAL;
        CHECK(clinux_send_datagram(exact, "x", 1, false) == expected);
        exact[0] = '@';
        CHECK(clinux_send_datagram(exact, "x", 1, false) == (length < sizeof address.sun_path ? ECONNREFUSED : EINVAL));
        free(exact);
    }
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s/d", folder) < (int)sizeof address.sun_path);
    CHECK(bind(file, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(clinux_send_datagram(address.sun_path, "READY=1", 7, true) == 0);
    CHECK(recv(file, bytes, sizeof bytes, 0) == 7 && memcmp(bytes, "READY=1", 7) == 0);
    CHECK(clinux_send_datagram(address.sun_path, "", 0, false) == 0);
    CHECK(recv(file, bytes, sizeof bytes, 0) == 0);
    close(file);
}

static void check_files(const char *folder) {
    char path[4096], name[64];
    struct clinux_status status;
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int first = openat(directory, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int second = openat(directory, "f", O_RDWR | O_CLOEXEC);
    CHECK(directory >= 0 && first >= 0 && second >= 0);

    CHECK(clinux_status(directory, "f", &status) == 0 && status.size == 0 && status.names == 1 && S_ISREG(status.mode));
    CHECK(clinux_status(first, "", &status) == 0 && (status.mode & 0777) == 0640);
    CHECK(clinux_status(directory, "none", &status) == ENOENT);
    CHECK(clinux_status(-1, "", &status) == EBADF);

    CHECK(clinux_write_lock(first) == 0 && clinux_write_lock(second) == EAGAIN);
    close(first);
    CHECK(clinux_write_lock(second) == 0);

    CHECK(clinux_rename_to_free_name(directory, "f", "g") == 0);
    CHECK(clinux_rename_to_free_name(directory, "f", "h") == ENOENT);
    CHECK(openat(directory, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0);
    CHECK(clinux_rename_to_free_name(directory, "f", "g") == EEXIST);

    char list[1];
    CHECK(clinux_access_list(second, list, sizeof list) <= 0 && clinux_access_list(-1, NULL, 0) < 0);
    CHECK(clinux_file_system(second) != 0 && clinux_file_system(-1) == 0);

    struct stat known;
    CHECK(fstat(second, &known) == 0);
    snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)known.st_dev, (uintmax_t)known.st_ino);
    CHECK(clinux_is_stream(second, name) && !clinux_is_stream(second, "") && !clinux_is_stream(-1, name));
    memset(path, '9', sizeof path - 1);
    path[sizeof path - 1] = 0;
    CHECK(!clinux_is_stream(second, path));
    close(second);
    close(directory);
}

static int ended(pid_t process) {
    int status;
    CHECK(waitpid(process, &status, 0) == process);
    return status;
}

static void check_processes(void) {
    char *const none[] = {NULL};
    char *const script[] = {"sh", "-c", "test -e /proc/self/fd/4 && ! test -e /proc/self/fd/6 && exit 7", NULL};
    int ends[2], pair[2], copies[3];
    pid_t process;
    CHECK(clinux_pipe(ends) == 0 && (fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK(clinux_socketpair(pair) == 0);
    int memory = clinux_memory_file("test");
    CHECK(memory >= 0 && write(memory, "x", 1) == 1);
    copies[0] = pair[1];
    copies[1] = pair[0];
    copies[2] = pair[1];
    CHECK(clinux_spawn("/bin/sh", script, none, copies, 3, &process) == 0);
    int status = ended(process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(clinux_spawn("/bin/sh", script, none, copies, 0, &process) == 0 && WEXITSTATUS(ended(process)) != 7);
    CHECK(clinux_spawn("/nonexistent", script, none, copies, 3, &process) == ENOENT);
    CHECK(clinux_spawn("/bin/sh", script, none, copies, -1, &process) == EINVAL);
    CHECK(clinux_spawn("/bin/sh", script, none, copies, 257, &process) == EINVAL);
    copies[1] = -1;
    CHECK(clinux_spawn("/bin/sh", script, none, copies, 2, &process) == EBADF);

    posix_spawn_file_actions_t actions;
    char *const listing[] = {"sh", "-c", "test ! -e /proc/self/fd/5", NULL};
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && clinux_close_from(&actions, 3) == 0);
    CHECK(posix_spawn(&process, "/bin/sh", &actions, NULL, listing, none) == 0 && ended(process) == 0);
    CHECK(posix_spawn_file_actions_destroy(&actions) == 0);

    process = fork();
    if (process == 0) _exit(acme_helper_harden() == 0 && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
    CHECK(ended(process) == 0);
    CHECK(clinux_batch_scheduling() == 0);
    CHECK(clinux_build_commit() == NULL && clinux_build_date() == NULL);
    CHECK(clinux_build_compiler() == NULL && clinux_build_dependencies() == NULL);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(pair[i]);
    }
    close(memory);
}

static const gid_t groups[] = {65533};
static const unsigned own_groups[] = {65533};

static void check_connections(const char *folder) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct clinux_user user = {65533, 65533, groups, 1, NULL};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), descriptor = -1, connecting = -1;
    char path[256];
    memset(path, '/', sizeof path);
    path[sizeof address.sun_path] = 0;
    CHECK(clinux_connect_as(&user, path, &descriptor, &connecting) == ENAMETOOLONG && connecting == 0);
    CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder) < (int)sizeof address.sun_path);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 4) == 0);
    CHECK(chmod(address.sun_path, 0666) == 0);
    if (geteuid() != 0) {
        CHECK(clinux_connect_as(&user, address.sun_path, &descriptor, &connecting) == EPERM && connecting == 0);
    } else {
        struct ucred peer;
        socklen_t size = sizeof peer;
        CHECK(clinux_connect_as(&user, address.sun_path, &descriptor, &connecting) == 0 && connecting == 1);
        int accepted = accept(listener, NULL, NULL);
        CHECK(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 65533 && peer.gid == 65533);
        close(accepted);
        close(descriptor);
        CHECK(clinux_connect_as(&user, "/nonexistent", &descriptor, &connecting) == ENOENT && connecting == 1);
        user.root = folder;
        CHECK(clinux_connect_as(&user, "/s", &descriptor, &connecting) == 0);
        close(descriptor);
        user.root = "/nonexistent";
        CHECK(clinux_connect_as(&user, "/s", &descriptor, &connecting) == ENOENT && connecting == 0);
    }
    close(listener);
}

static void check_children(void) {
    char place[] = "LISTEN_PID=aaaaaaaaaaaaaaaaaaaa", path[] = "PATH=/usr/bin:/bin";
    char *const environment[] = {path, place, NULL};
    char *const script[] = {"sh", "-c", "test \"$LISTEN_PID\" = $$ && test ! -e /proc/self/fd/7 && exit 7", NULL};
    char *const killed[] = {"sh", "-c", "kill -TERM $$", NULL};
    struct clinux_child what = {65533, 65533, own_groups, 1, 0, "/bin/sh", script, environment};
    int status = -1;
    if (geteuid() != 0) {
        CHECK(clinux_run_as(&what, &status) == EPERM);
        return;
    }
    CHECK(clinux_run_as(&what, &status) == 0 && status == 7);
    what.arguments = killed;
    CHECK(clinux_run_as(&what, &status) == 0 && status == 128 + SIGTERM);
    what.program = "/nonexistent";
    CHECK(clinux_run_as(&what, &status) == ENOENT);
    what.user = 0;
    CHECK(clinux_run_as(&what, &status) == EPERM);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    check_pin_tag();
    check_datagrams(arguments[1]);
    check_files(arguments[1]);
    check_processes();
    check_connections(arguments[1]);
    check_children();
    return 0;
}
