// A network with a delay and a rate, for kernels without tc's netem: one TUN device a host, and this program between them.
//
//   cc -O2 -pthread delaying_switch.c -o delaying_switch
//   delaying_switch DELAY_MICROSECONDS RATE_MEGABIT DEVICE…
//
// It makes the devices, which are then moved into the hosts' network namespaces with the addresses 10.77.0.1, 10.77.0.2 … in their order.
// A packet leaves its host at the rate and arrives after the delay. It runs until it is killed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST_HOSTS = 16, ROOM = 1024, PACKET = 65536 };

struct packet {
    long long due;
    int size;
    unsigned char bytes[PACKET];
};

struct host {
    int device;
    long long free_at;  // when its link has sent all so far
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct packet *ring[ROOM];  // to be delivered to this host, in order of arrival
    int first, count;
} hosts[MOST_HOSTS];

static int host_count;
static long long delay;
static double nanoseconds_a_byte;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void *read_from(void *argument) {
    struct host *source = argument;
    for (;;) {
        struct packet *packet = malloc(sizeof *packet);
        packet->size = (int)read(source->device, packet->bytes, PACKET);
        // The last byte of an IPv4 packet's target address is the host's number.
        int number = packet->size >= 20 && packet->bytes[0] >> 4 == 4 ? packet->bytes[19] - 1 : -1;
        if (number < 0 || number >= host_count) {
            free(packet);
            continue;
        }
        long long time = now();
        if (source->free_at < time) source->free_at = time;
        source->free_at += (long long)(packet->size * nanoseconds_a_byte);
        packet->due = source->free_at + delay;
        struct host *target = &hosts[number];
        pthread_mutex_lock(&target->lock);
        while (target->count == ROOM) pthread_cond_wait(&target->changed, &target->lock);
        target->ring[(target->first + target->count++) % ROOM] = packet;
        pthread_cond_broadcast(&target->changed);
        pthread_mutex_unlock(&target->lock);
    }
    return 0;
}

static void *write_to(void *argument) {
    struct host *target = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL);
    for (;;) {
        pthread_mutex_lock(&target->lock);
        while (target->count == 0) pthread_cond_wait(&target->changed, &target->lock);
        // The earliest of all sources: each source's packets are in order.
        int best = 0;
        for (int i = 1; i < target->count; i++)
            if (target->ring[(target->first + i) % ROOM]->due < target->ring[(target->first + best) % ROOM]->due) best = i;
        struct packet *packet = target->ring[(target->first + best) % ROOM];
        for (int i = best; i > 0; i--)
            target->ring[(target->first + i) % ROOM] = target->ring[(target->first + i - 1) % ROOM];
        target->first = (target->first + 1) % ROOM;
        target->count--;
        pthread_cond_broadcast(&target->changed);
        pthread_mutex_unlock(&target->lock);
        struct timespec due = {packet->due / 1000000000LL, packet->due % 1000000000LL};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, 0)) {
        }
        if (write(target->device, packet->bytes, (size_t)packet->size) < 0) {
            // The host's device is down: the packet is lost, as on a cut wire.
        }
        free(packet);
    }
    return 0;
}

int main(int count, char **words) {
    if (count < 4 || count - 3 > MOST_HOSTS) {
        fprintf(stderr, "usage: delaying_switch DELAY_MICROSECONDS RATE_MEGABIT DEVICE…\n");
        return 64;
    }
    delay = atoll(words[1]) * 1000;
    nanoseconds_a_byte = 8000.0 / atof(words[2]);
    host_count = count - 3;
    for (int i = 0; i < host_count; i++) {
        struct host *host = &hosts[i];
        pthread_mutex_init(&host->lock, 0);
        pthread_cond_init(&host->changed, 0);
        host->device = open("/dev/net/tun", O_RDWR);
        struct ifreq request = {0};
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        strncpy(request.ifr_name, words[3 + i], IFNAMSIZ - 1);
        if (host->device < 0 || ioctl(host->device, TUNSETIFF, &request) < 0) {
            perror(words[3 + i]);
            return 71;
        }
    }
    puts("ready");
    fflush(stdout);
    pthread_t thread;
    for (int i = 0; i < host_count; i++) {
        pthread_create(&thread, 0, read_from, &hosts[i]);
        pthread_create(&thread, 0, write_to, &hosts[i]);
    }
    for (;;) pause();
}
