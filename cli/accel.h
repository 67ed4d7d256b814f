/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel.h - whether VMs can run on KVM here
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#ifndef HY_ACCEL_H
#define HY_ACCEL_H

#include <stdbool.h>

/**
 * accel_kvm_usable() - Whether KVM can run a stock kernel on this machine
 * @cpuinfo:	"/proc/cpuinfo"
 * @device:	"/dev/kvm"
 *
 * The device alone proves nothing: there are machines whose /dev/kvm opens and creates vCPUs that
 * cannot run one, so the CPU must have vmx or svm as well.
 *
 * Return: true if so
 */
bool accel_kvm_usable(const char *cpuinfo, const char *device);

#endif
